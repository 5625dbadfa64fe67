"""`python -m weathervane.klaviyo.sandbox`: serve one pretend account until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from weathervane.klaviyo.sandbox._options import DEFAULT_SCOPES, AccountOptions
from weathervane.klaviyo.sandbox._running import run_process
from weathervane.source.sandbox import CommandParser, SandboxError, moment, stop

__all__ = ["main"]

PROGRAM = "weathervane-klaviyo-sandbox"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the sandbox. Exit code 2: the options are no good; 1: it cannot listen; 0: it was stopped."""
    given = vars(_parser().parse_args(argv))
    host, port = given.pop("host"), given.pop("port")
    given["records"] = tuple(given["records"])
    given["scopes"] = tuple(scope.strip() for scope in given["scopes"].split(","))
    try:
        run_process(AccountOptions(**given), host, port)
    except ValueError as error:
        stop(PROGRAM, 2, error)
    except SandboxError as error:
        stop(PROGRAM, 1, error)


def _parser() -> CommandParser:
    start = AccountOptions()
    parser = CommandParser(prog=PROGRAM, description="Serve one pretend Klaviyo account.", allow_abbrev=False)
    add = parser.add_argument
    add("--account", default=start.account, help="public id: six letters and digits")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="0 = a free one")
    add("--now", type=moment, default=start.now, help="where the account's clock starts")
    add(
        "--clock-rate",
        type=float,
        default=start.clock_rate,
        help="account seconds per real second; 0 = stands still",
    )
    add("--timezone", default=start.timezone, help="IANA timezone of the account")
    add("--currency", default=start.currency, help="currency of the account")
    add("--seed", type=int, default=start.seed, help="seed of the account and of its life")
    add("--campaigns", type=int, default=start.campaigns, help="campaigns to start with")
    records = "serve these JSON:API resources instead"
    add("--records", type=Path, action="append", default=[], metavar="FILE.jsonl", help=records)
    life = "whether the account goes on changing"
    add("--life", action=argparse.BooleanOptionalAction, default=None, help=life)
    add("--event-gap", type=float, default=start.event_gap, help="mean account seconds between two changes")
    add("--scopes", default=",".join(DEFAULT_SCOPES), help="scopes of the key, by commas")
    add("--api-key", default=start.api_key, help="the private key")
    add("--access-token", default=start.access_token, help="an OAuth token that is valid too")
    add("--quota-factor", type=float, default=start.quota_factor, help="multiplies every rate limit")
    include = "whether the list of messages takes include=campaign-variations, as the beta's did"
    add(
        "--variations-include",
        action=argparse.BooleanOptionalAction,
        default=start.variations_include,
        help=include,
    )
    sizes = "groups on a page of a report; 0 = all on one"
    add("--report-page-size", type=int, default=start.report_page_size, help=sizes)
    return parser


if __name__ == "__main__":
    main()

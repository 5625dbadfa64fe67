"""`python -m weathervane.meta_ads.sandbox`: serve one pretend Meta until SIGTERM or SIGINT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weathervane.meta_ads.sandbox._options import DEFAULT_ACCOUNTS, AccountOptions, MetaOptions
from weathervane.meta_ads.sandbox._running import run_process
from weathervane.source.sandbox import CommandParser, SandboxError, moment, stop

__all__ = ["main"]

PROGRAM = "weathervane-meta-ads-sandbox"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the sandbox. Exit code 2: the options are no good; 1: it cannot listen; 0: it was stopped."""
    given = vars(_parser().parse_args(argv))
    host, port = given.pop("host"), given.pop("port")
    try:
        accounts = [AccountOptions(*text.split(",")) for text in given.pop("account")]
        pairs = [text.partition("=") for text in given.pop("token")]
        tokens = tuple((token, tuple(ids.split(","))) for token, _, ids in pairs)
        given["records"] = tuple(given["records"])
        given |= {"tokens": tokens, "accounts": tuple(accounts) or DEFAULT_ACCOUNTS}
        options = MetaOptions(**given)
        run_process(options, host, port)
    except (ValueError, TypeError) as error:
        stop(PROGRAM, 2, error)
    except SandboxError as error:
        stop(PROGRAM, 1, error)


def _parser() -> CommandParser:
    start = MetaOptions()
    parser = CommandParser(
        prog=PROGRAM, description="Serve one pretend Meta app and its ad accounts.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port; 0 = a free one")
    add("--now", type=moment, default=start.now, help="where the clock starts")
    add(
        "--clock-rate",
        type=float,
        default=start.clock_rate,
        help="vendor seconds per real second; 0 = stands still",
    )
    add("--seed", type=int, default=start.seed, help="seed of everything random")
    add(
        "--account",
        action="append",
        default=[],
        metavar="ID,CURRENCY,ZONE[,NAME]",
        help="an ad account, e.g. 101,EUR,Europe/Paris; default: three of them",
    )
    add(
        "--token", action="append", default=[], metavar="TOKEN=ID,ID", help="a token and the accounts it sees"
    )
    add("--access-token", default=start.access_token, help="a token that sees every account")
    add("--campaigns", type=int, default=start.campaigns, help="campaigns of an account")
    add("--adsets", type=int, default=start.adsets, help="ad sets of a campaign")
    add("--ads", type=int, default=start.ads, help="ads of an ad set")
    add(
        "--history-days",
        type=int,
        default=start.history_days,
        help="days before now on which the oldest ads began",
    )
    add(
        "--records",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="serve these records instead",
    )
    add("--app-id", default=start.app_id, help="id of the app")
    add("--app-secret", default=start.app_secret, help="secret of the app")
    add("--require-proof", action="store_true", help='the app has "Require App Secret" on')
    add(
        "--tier",
        choices=("development_access", "standard_access"),
        default=start.tier,
        help="tier, sets the limits",
    )
    add("--score-max", type=float, help="points of an ad account's score; default: by the tier")
    add("--hour-calls", type=float, help="calls of an ad account in an hour; default: by the tier")
    add("--app-calls", type=float, help="calls of the app in an hour; default: by the tier")
    add("--run-polls", type=int, default=start.run_polls, help="polls until a report run is complete")
    add(
        "--max-page-rows",
        type=int,
        default=start.max_page_rows,
        help="rows on a page above which it is refused",
    )
    add(
        "--max-sync-rows",
        type=int,
        default=start.max_sync_rows,
        help="objects x days above which to use a report run",
    )
    add(
        "--max-run-rows",
        type=int,
        default=start.max_run_rows,
        help="objects x days above which a report run fails",
    )
    return parser


if __name__ == "__main__":
    main()

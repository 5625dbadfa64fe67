"""`python -m weathervane.google_ads.sandbox`: serve one pretend Google Ads until SIGTERM or SIGINT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weathervane.google_ads.sandbox._options import GoogleAdsOptions
from weathervane.google_ads.sandbox._running import run_process
from weathervane.source.sandbox import CommandParser, SandboxError, moment, stop

__all__ = ["main"]

PROGRAM = "weathervane-google-ads-sandbox"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the sandbox. Exit code 2: the options are no good; 1: it cannot listen; 0: it was stopped."""
    given = vars(_parser().parse_args(argv))
    host, port, key = given.pop("host"), given.pop("port"), given.pop("service_account_key")
    try:
        options = GoogleAdsOptions(
            **{
                **given,
                "records": tuple(given["records"]),
                "service_account_key": key.read_text() if key else "",
            }
        )
        run_process(options, host, port)
    except OSError as error:
        stop(PROGRAM, 2, f"{error.filename}: {error.strerror}")
    except ValueError as error:
        stop(PROGRAM, 2, error)
    except SandboxError as error:
        stop(PROGRAM, 1, error)


def _parser() -> CommandParser:
    start = GoogleAdsOptions()
    parser = CommandParser(prog=PROGRAM, description="Serve one pretend Google Ads.", allow_abbrev=False)
    add = parser.add_argument
    add("--name", default=start.name, help="whose accounts these are")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port to listen on; 0 = a free one")
    add("--now", type=moment, default=start.now, help="where the vendor's clock starts")
    add(
        "--clock-rate",
        type=float,
        default=start.clock_rate,
        help="vendor seconds per real second; 0 = stands still",
    )
    add("--timezone", default=start.timezone, help="IANA time zone of the accounts")
    add("--currency", default=start.currency, help="currency of the accounts")
    add("--seed", type=int, default=start.seed, help="seed of everything random")
    add("--days", type=int, default=start.days, help="days of figures before --now")
    add("--clients", type=int, default=start.clients, help="enabled client accounts, 1 to 4")
    add(
        "--conversion-window",
        type=int,
        default=start.conversion_window,
        help="days until the last conversion",
    )
    add(
        "--records",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="serve these API-shaped rows instead",
    )
    add("--client-id", default=start.client_id, help="OAuth client id")
    add("--client-secret", default=start.client_secret, help="OAuth client secret")
    add("--refresh-token", default=start.refresh_token, help="the user's refresh token")
    add("--service-account", default="", help="e-mail address of a service account")
    add("--service-account-key", type=Path, default=None, metavar="FILE.pem", help="its public key")
    add("--developer-token", default="", help="refuse calls without it, as before September 2026")
    add("--operations-per-day", type=int, default=start.operations_per_day, help="quota of the project")
    add("--queries-per-second", type=float, default=0.0, help="rate limit of the project; 0 = none")
    add("--chunk-rows", type=int, default=start.chunk_rows, help="rows of a chunk of searchStream")
    add("--page-rows", type=int, default=start.page_rows, help="rows of a page of search")
    add("--token-life", type=int, default=start.token_life, help="seconds that an access token lives")
    return parser


if __name__ == "__main__":
    main()

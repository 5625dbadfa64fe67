"""`python -m weathervane.shopify.sandbox`: serve one pretend shop until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from weathervane.shopify.sandbox._options import DEFAULT_SCOPES, PLANS, ShopOptions
from weathervane.shopify.sandbox._running import run_process
from weathervane.source.sandbox import CommandParser, SandboxError, moment, stop

__all__ = ["main"]

PROGRAM = "weathervane-shopify-sandbox"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the sandbox. Exit code 2: the options are no good; 1: it cannot listen; 0: it was stopped."""
    given = _parser().parse_args(argv)
    rate = PLANS[given.plan] if given.bucket_rate is None else given.bucket_rate
    try:
        options = ShopOptions(
            shop=given.shop,
            now=given.now,
            timezone=given.timezone,
            currency=given.currency,
            seed=given.seed,
            orders=given.orders,
            products=given.products,
            records=tuple(given.records),
            life=given.life,
            event_gap=given.event_gap,
            clock_rate=given.clock_rate,
            scopes=tuple(scope.strip() for scope in given.scopes.split(",")),
            protected_data=given.protected_data,
            access_token=given.access_token,
            client_id=given.client_id,
            client_secret=given.client_secret,
            refresh_token=given.refresh_token,
            bucket_rate=rate,
            bucket_max=20 * rate if given.bucket_max is None else given.bucket_max,
            cost_factor=given.cost_factor,
            bulk_polls=given.bulk_polls,
            storage_refuses_tokens=given.storage_refuses_tokens,
        )
        run_process(options, given.host, given.port, given.storage_port, given.storage_url)
    except ValueError as error:
        stop(PROGRAM, 2, error)
    except SandboxError as error:
        stop(PROGRAM, 1, error)


def _parser() -> CommandParser:
    start = ShopOptions()
    parser = CommandParser(prog=PROGRAM, description="Serve one pretend Shopify shop.", allow_abbrev=False)
    add = parser.add_argument
    add("--shop", default=start.shop, help="name: acme is acme.myshopify.com")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port of the Admin host; 0 = a free one")
    add("--storage-port", type=int, default=0, help="port of the storage host; 0 = a free one")
    add(
        "--storage-url",
        metavar="URL",
        help="under which clients reach the storage host, for the links to bulk files; default: where it listens",
    )
    add("--now", type=moment, default=start.now, help="where the shop's clock starts")
    add(
        "--clock-rate",
        type=float,
        default=start.clock_rate,
        help="shop seconds per real second; 0 = stands still",
    )
    add("--timezone", default=start.timezone, help="IANA timezone of the shop")
    add("--currency", default=start.currency, help="currency of the shop")
    add("--seed", type=int, default=start.seed, help="seed of the shop and of its life")
    add("--orders", type=int, default=start.orders, help="orders to start with")
    add("--products", type=int, default=start.products, help="products to start with")
    add(
        "--records",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.jsonl",
        help="serve these records instead",
    )
    add(
        "--life",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the shop goes on changing",
    )
    add("--event-gap", type=float, default=start.event_gap, help="mean shop seconds between two changes")
    add("--scopes", default=",".join(DEFAULT_SCOPES), help="scopes of the app, by commas")
    add(
        "--protected-data",
        choices=("full", "basic", "none"),
        default=start.protected_data,
        help="approval level",
    )
    add("--access-token", default=start.access_token, help="a permanent access token")
    add("--client-id", default=start.client_id, help="client id of the app")
    add("--client-secret", default=start.client_secret, help="client secret of the app")
    add("--refresh-token", default=start.refresh_token, help="a first refresh token")
    add("--plan", choices=tuple(PLANS), default="standard", help="plan, which sets the bucket")
    add("--bucket-max", type=float, help="points that the bucket holds; default: 20 times the rate")
    add("--bucket-rate", type=float, help="points that the bucket regains a second")
    add("--cost-factor", type=float, default=start.cost_factor, help="multiplies the requested cost")
    add("--bulk-polls", type=int, default=start.bulk_polls, help="polls until a bulk operation is complete")
    add(
        "--storage-refuses-tokens",
        action="store_true",
        help="the storage host refuses a request that carries the shop's token, which the real one ignores",
    )
    return parser


if __name__ == "__main__":
    main()

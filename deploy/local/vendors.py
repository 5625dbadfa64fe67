"""The four pretend vendors of a local stack: both tenants' accounts, their credentials, and what the lake must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module

from control import ask, post
from processes import Stack

from weathervane.lake import LakeClient, TableRef
from weathervane.source.sandbox import TableTruth

TENANTS = ("acme", "umi_japan")


@dataclass(frozen=True)
class Sandbox:
    """A process of a pretend vendor, and the tenants whose accounts are in it."""

    options: Sequence[str]
    """Its command line's, but for the clock and the port."""
    credentials: Mapping[str, Mapping[str, str]]
    """Tenant -> fields of its credentials. `{url}` in one is what the sandbox's ready line calls `url`."""
    mine: Mapping[str, str] = field(default_factory=dict)
    """Tenant -> its account, where there are several: the part of the truth that is its own."""
    faults: Sequence[Mapping[str, object]] = ()
    """What goes wrong in every demo."""


@dataclass(frozen=True)
class Vendor:
    """One vendor: its source, and its sandboxes."""

    source: str
    """The module in `weathervane`, e.g. `meta_ads`."""
    flows: tuple[str, ...]
    sandboxes: Callable[[], Iterator[Sandbox]]
    port: int
    """Where the source's gRPC service listens on a machine of its own, as `compose.yaml` has it."""

    def start(self, stack: Stack, begins: datetime) -> Pretend:
        """Starts its sandboxes. They begin at the same moment whenever they are started, and live the same lives."""
        return Pretend(self, stack, begins)


class Pretend:
    """Both tenants' accounts at one pretend vendor, running."""

    def __init__(self, vendor: Vendor, stack: Stack, begins: datetime) -> None:
        self.environment: dict[str, str] = {}
        """Their credentials, as variables `WEATHERVANE_<SOURCE>__<TENANT>__<FIELD>`."""
        self._source = vendor.source
        self._tenants: dict[str, tuple[str, str]] = {}
        for sandbox in vendor.sandboxes():
            whose = sandbox.credentials.keys() if len(sandbox.credentials) == 1 else ()
            ready = stack.module(
                "-".join((vendor.source.replace("_", "-"), *whose)),
                f"weathervane.{vendor.source}.sandbox",
                *("--now", begins.isoformat(), "--port", "0", *sandbox.options),
            )
            control = ready["control_url"]
            for fault in sandbox.faults:
                post(f"{control}/faults", fault)
            for tenant, fields in sandbox.credentials.items():
                account = sandbox.mine.get(tenant)
                self._tenants[tenant] = (control, f"?account_id={account}" if account else "")
                prefix = f"WEATHERVANE_{vendor.source}__{tenant}__".upper()
                self.environment |= {
                    f"{prefix}{name.upper()}": value.format(**ready) for name, value in fields.items()
                }

    def advance(self, seconds: int) -> None:
        """Lets the vendor's clocks run: what is restated, edited, sent, refunded or deleted by then has been."""
        for control in {control for control, _ in self._tenants.values()}:
            post(f"{control}/clock", {"advance_seconds": seconds})

    def differences(self, lake: LakeClient) -> Iterator[str]:
        """One line for each table that is not what the vendor says it should be."""
        definition = getattr(import_module(f"weathervane.{self._source}"), self._source.upper())
        for tenant, (control, mine) in self._tenants.items():
            for dataset in definition.datasets:
                truth = TableTruth.from_json(ask(f"{control}/table/{dataset.name}{mine}"))
                held = lake.read(TableRef(tenant, dataset.name)).read_all().to_pylist()
                if told := truth.difference(held):
                    yield f"{tenant}/{dataset.name}: {told}"


def _shopify() -> Iterator[Sandbox]:
    for tenant, where in zip(TENANTS, (("Europe/Paris", "EUR", 7), ("Asia/Tokyo", "JPY", 11)), strict=True):
        yield Sandbox(
            (
                *_place(*where),
                *(
                    "--shop",
                    tenant.replace("_", "-"),
                    "--orders",
                    "700",
                    "--products",
                    "60",
                    "--plan",
                    "plus",
                ),
                *("--client-id", "demo", "--client-secret", "demo-secret"),
            ),
            {
                tenant: {
                    "shop": "{shop}",
                    "api_url": "{url}",
                    "client_id": "demo",
                    "client_secret": "demo-secret",
                }
            },
        )


def _meta_ads() -> Iterator[Sandbox]:
    accounts = dict(zip(TENANTS, ("1010035716096012", "1010035716096013"), strict=True))
    tokens = {tenant: f"EAAdemo{tenant.replace('_', '')}" for tenant in TENANTS}
    places = dict(zip(TENANTS, ("EUR,Europe/Paris", "JPY,Asia/Tokyo"), strict=True))
    each = (
        ("--account", f"{accounts[one]},{places[one]},{one}", "--token", f"{tokens[one]}={accounts[one]}")
        for one in TENANTS
    )
    yield Sandbox(
        (
            *(part for options in each for part in options),
            *("--access-token", "", "--app-id", "demo", "--app-secret", "demo-secret", "--require-proof"),
            *("--run-polls", "1", "--history-days", "60"),
        ),
        {
            one: {
                "access_token": tokens[one],
                "app_id": "demo",
                "app_secret": "demo-secret",
                "api_url": "{url}",
            }
            for one in TENANTS
        },
        accounts,
        (
            {"name": "service_fault", "times": 1},
            {"name": "async_failed", "times": 1},
            {"name": "account_limit", "times": 1, "reset": 1},
        ),
    )


def _google_ads() -> Iterator[Sandbox]:
    # The second is ahead of UTC, and has a currency without cents.
    places = (("America/New_York", "USD", 7), ("Asia/Tokyo", "JPY", 11))
    for number, (tenant, where) in enumerate(zip(TENANTS, places, strict=True), 1):
        client = f"40740871819{number}-demo.apps.googleusercontent.com"
        secrets = {"client_id": client, "client_secret": "demo-secret", "refresh_token": "1//demo"}
        yield Sandbox(
            (
                *_place(*where),
                *("--name", tenant, "--days", "75", "--clients", "3"),
                *(part for name, value in secrets.items() for part in (f"--{name.replace('_', '-')}", value)),
            ),
            {tenant: {**secrets, "api_url": "{url}", "token_url": "{token_url}"}},
        )


def _klaviyo() -> Iterator[Sandbox]:
    places = (("Europe/Paris", "EUR", 7), ("Asia/Tokyo", "JPY", 11))
    for tenant, account, where in zip(TENANTS, ("ACME01", "UMIJP1"), places, strict=True):
        yield Sandbox(
            # Klaviyo's two reports a minute would make the first run last minutes.
            (
                *_place(*where),
                *(
                    "--account",
                    account,
                    "--campaigns",
                    "150",
                    "--api-key",
                    "pk_demo",
                    "--quota-factor",
                    "1000",
                ),
            ),
            {tenant: {"api_url": "{url}", "api_key": "pk_demo", "conversion_metric_id": "RESQ6t"}},
        )


def _place(timezone: str, currency: str, seed: int) -> tuple[str, ...]:
    return ("--timezone", timezone, "--currency", currency, "--seed", str(seed))


VENDORS = (
    Vendor("shopify", ("ingest_shopify_orders", "ingest_shopify_products"), _shopify, 50061),
    Vendor("meta_ads", ("ingest_meta_ads",), _meta_ads, 50062),
    Vendor("google_ads", ("ingest_google_ads",), _google_ads, 50063),
    Vendor("klaviyo", ("ingest_klaviyo_campaigns",), _klaviyo, 50064),
)

"""`weathervane-shopify` (or `python -m weathervane.shopify`): serve the source, check a shop, or run a flow here."""

from __future__ import annotations

from weathervane.lake import extra_command
from weathervane.source import SourceDefinition, source_app

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.shopify import SHOPIFY

    return SHOPIFY


main = source_app("shopify", _load)
sandbox = extra_command("weathervane.shopify.sandbox.__main__", "weathervane-shopify[sandbox]")
"""`weathervane-shopify-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

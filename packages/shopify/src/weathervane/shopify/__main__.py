"""`weathervane-shopify` (or `python -m weathervane.shopify`): serve the source, check a shop, or run a flow here."""

from __future__ import annotations

from weathervane.source.cli import source_app
from weathervane.source.definition import SourceDefinition

__all__ = ["main"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.shopify.service import SHOPIFY

    return SHOPIFY


main = source_app("shopify", _load)

if __name__ == "__main__":
    main()

"""`weathervane-shopify` (or `python -m weathervane.shopify`): serve the source, check a shop, or run a flow here."""

from __future__ import annotations

from weathervane.source.cli import source_app
from weathervane.source.definition import SourceDefinition
from weathervane.source.extras import extra_command

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.shopify.service import SHOPIFY

    return SHOPIFY


main = source_app("shopify", _load)
sandbox = extra_command("weathervane.shopify.sandbox.__main__", "weathervane-shopify[sandbox]")
"""`weathervane-shopify-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

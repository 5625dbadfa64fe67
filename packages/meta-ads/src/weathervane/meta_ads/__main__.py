"""`weathervane-meta-ads` (or `python -m weathervane.meta_ads`): serve it, check a tenant, or run a flow."""

from __future__ import annotations

from weathervane.source.cli import source_app
from weathervane.source.definition import SourceDefinition
from weathervane.source.extras import extra_command

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.meta_ads.service import META_ADS

    return META_ADS


main = source_app("meta_ads", _load)
sandbox = extra_command("weathervane.meta_ads.sandbox.__main__", "weathervane-meta-ads[sandbox]")
"""`weathervane-meta-ads-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

"""`weathervane-meta-ads` (or `python -m weathervane.meta_ads`): serve it, check a tenant, or run a flow."""

from __future__ import annotations

from weathervane.lake import extra_command
from weathervane.source import SourceDefinition, source_app

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.meta_ads import META_ADS

    return META_ADS


main = source_app("meta_ads", _load)
sandbox = extra_command("weathervane.meta_ads.sandbox.__main__", "weathervane-meta-ads[sandbox]")
"""`weathervane-meta-ads-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

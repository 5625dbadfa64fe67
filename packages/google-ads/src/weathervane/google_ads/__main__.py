"""`weathervane-google-ads` (or `python -m weathervane.google_ads`): serve the source, check a tenant, or run a flow."""

from __future__ import annotations

from weathervane.lake import extra_command
from weathervane.source import SourceDefinition, source_app

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.google_ads import GOOGLE_ADS

    return GOOGLE_ADS


main = source_app("google_ads", _load)
sandbox = extra_command("weathervane.google_ads.sandbox.__main__", "weathervane-google-ads[sandbox]")
"""`weathervane-google-ads-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

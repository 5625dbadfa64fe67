"""`weathervane-google-ads` (or `python -m weathervane.google_ads`): serve the source, check a tenant, or run a flow."""

from __future__ import annotations

from weathervane.source.cli import source_app
from weathervane.source.definition import SourceDefinition
from weathervane.source.extras import extra_command

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.google_ads.service import GOOGLE_ADS

    return GOOGLE_ADS


main = source_app("google_ads", _load)
sandbox = extra_command("weathervane.google_ads.sandbox.__main__", "weathervane-google-ads[sandbox]")
"""`weathervane-google-ads-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

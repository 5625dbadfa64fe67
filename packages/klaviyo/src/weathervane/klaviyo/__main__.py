"""`weathervane-klaviyo` (or `python -m weathervane.klaviyo`): serve it, check an account, or run a flow."""

from __future__ import annotations

from weathervane.lake import extra_command
from weathervane.source import SourceDefinition, source_app

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.klaviyo import KLAVIYO

    return KLAVIYO


main = source_app("klaviyo", _load)
sandbox = extra_command("weathervane.klaviyo.sandbox.__main__", "weathervane-klaviyo[sandbox]")
"""`weathervane-klaviyo-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

"""`weathervane-klaviyo` (or `python -m weathervane.klaviyo`): serve it, check an account, or run a flow."""

from __future__ import annotations

from weathervane.source.cli import source_app
from weathervane.source.definition import SourceDefinition
from weathervane.source.extras import extra_command

__all__ = ["main", "sandbox"]


def _load() -> SourceDefinition:
    # Here, because it imports Prefect: seconds that `--help` need not take.
    from weathervane.klaviyo.service import KLAVIYO

    return KLAVIYO


main = source_app("klaviyo", _load)
sandbox = extra_command("weathervane.klaviyo.sandbox.__main__", "weathervane-klaviyo[sandbox]")
"""`weathervane-klaviyo-sandbox`: the pretend vendor."""

if __name__ == "__main__":
    main()

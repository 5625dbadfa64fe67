"""How a command of this house wants Prefect: set before it is imported, which reads the environment."""

from __future__ import annotations

import os

__all__ = ["prefer"]

_PREFERRED = {
    # Prefect's own 20 s are too few for a temporary server on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Nobody who runs our commands is counted, nor shown a notice that they are.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


def prefer(**more: str) -> None:
    """Sets what the environment does not say; call it before anything imports Prefect."""
    for variable, value in (_PREFERRED | more).items():
        os.environ.setdefault(variable, value)

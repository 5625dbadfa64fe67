"""What is wrong with what shall be deployed, or with the server that shall have it."""

from __future__ import annotations

from collections.abc import Sequence

from weathervane.source.prefect_api import ServerError

__all__ = ["DeployError", "ServerError"]


class DeployError(Exception):
    """What shall be deployed is not right; nothing was changed.

    Args:
        problems: A line for each: file, deployment and field, as far as there are such; what is wrong; what to do.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

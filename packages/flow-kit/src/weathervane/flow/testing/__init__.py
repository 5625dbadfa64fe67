"""A real Prefect server for tests, and a sick one. Needs the extra `testing`."""

from weathervane.flow.testing._answering import answering
from weathervane.flow.testing._prefect_server import newest_run, running_prefect

__all__ = ["answering", "newest_run", "running_prefect"]

"""A real Prefect server for tests, and sick ones. Needs the extra `testing`; `.fixtures` is the pytest plugin."""

from weathervane.flow.testing._answering import PASSWORD, SICK, answering, sick_prefect
from weathervane.flow.testing._prefect_server import newest_run, running_prefect

__all__ = ["PASSWORD", "SICK", "answering", "newest_run", "running_prefect", "sick_prefect"]

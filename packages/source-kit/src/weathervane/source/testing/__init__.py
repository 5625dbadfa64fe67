"""What a source's tests are made of: the promises that every source keeps, and the real parts to check them on.

Needs the extra `testing`, and `weathervane-lake-writer[server]` for the lake.
"""

from weathervane.source.testing.checks import CHECKS, Check
from weathervane.source.testing.prefect_server import running_prefect
from weathervane.source.testing.stage import Stage, staged
from weathervane.source.testing.unfit import declared_paths
from weathervane.source.testing.vendor import Fault, PretendSource, RunningVendor

__all__ = [
    "CHECKS",
    "Check",
    "Fault",
    "PretendSource",
    "RunningVendor",
    "Stage",
    "declared_paths",
    "running_prefect",
    "staged",
]

"""What a source's tests are made of: the promises that every source keeps, and the real parts to check them on.

A real Prefect server is in `weathervane.flow.testing`. Needs the extra `testing`, and
`weathervane-lake-writer[server]` for the lake.
"""

from weathervane.source.testing._checks import CHECKS, Check
from weathervane.source.testing._memory import as_a_new_process, forget_peak, peak_mib
from weathervane.source.testing._stage import Stage, staged
from weathervane.source.testing._unfit import declared_paths
from weathervane.source.testing._vendor import Fault, PretendSource, RunningVendor

__all__ = [
    "CHECKS",
    "Check",
    "Fault",
    "PretendSource",
    "RunningVendor",
    "Stage",
    "as_a_new_process",
    "declared_paths",
    "forget_peak",
    "peak_mib",
    "staged",
]

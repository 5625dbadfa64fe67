"""A pretend Meta: one process is one app and its ad accounts, with the rules of the Marketing API v25.0 and v26.0.

Run it with `python -m weathervane.meta_ads.sandbox`, or in a test with `running_meta()`. It needs the `sandbox` extra.
No client code imports it.
"""

from weathervane.meta_ads.sandbox._meta import FAULTS, PretendMeta
from weathervane.meta_ads.sandbox._options import DEFAULT_ACCOUNTS, AccountOptions, MetaOptions
from weathervane.meta_ads.sandbox._records import RecordsError
from weathervane.meta_ads.sandbox._running import RunningMeta, running_meta

__all__ = [
    "DEFAULT_ACCOUNTS",
    "FAULTS",
    "AccountOptions",
    "MetaOptions",
    "PretendMeta",
    "RecordsError",
    "RunningMeta",
    "running_meta",
]

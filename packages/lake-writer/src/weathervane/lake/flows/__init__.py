"""The lake's own Prefect flows; needs the extra `weathervane-lake-writer[flows]`.

They know of the lake nothing but its address, `WEATHERVANE_LAKE_ADDRESS` (default `127.0.0.1:50051`).
"""

from weathervane.lake.flows.freshness import check_freshness
from weathervane.lake.flows.upkeep import compact_lake, vacuum_lake

__all__ = ["check_freshness", "compact_lake", "vacuum_lake"]

"""The lake as its callers see it: a client, the words of a write, and errors named by what to do about them."""

from weathervane.lake.arrow import RowTooLargeError
from weathervane.lake.caller import lake_address
from weathervane.lake.client import LakeClient
from weathervane.lake.errors import (
    BusyError,
    ConflictingRowsError,
    CorruptedError,
    LakeError,
    NotFoundError,
    OutcomeUnknownError,
    RejectedError,
    StaleCheckpointError,
)
from weathervane.lake.keys import row_keys
from weathervane.lake.maintenance import MaintenanceClient
from weathervane.lake.model import (
    QUARANTINE_SCHEMA,
    Checkpoint,
    ColumnRange,
    CompactionResult,
    ControlTotal,
    InvalidNameError,
    ReplaceWindow,
    TableDescription,
    TableRef,
    VacuumResult,
    WriteMode,
    WriteResult,
    WriteSpec,
    WriteState,
    WriteStatus,
)
from weathervane.lake.upload import Upload

__all__ = [
    "QUARANTINE_SCHEMA",
    "BusyError",
    "Checkpoint",
    "ColumnRange",
    "CompactionResult",
    "ConflictingRowsError",
    "ControlTotal",
    "CorruptedError",
    "InvalidNameError",
    "LakeClient",
    "LakeError",
    "MaintenanceClient",
    "NotFoundError",
    "OutcomeUnknownError",
    "RejectedError",
    "ReplaceWindow",
    "RowTooLargeError",
    "StaleCheckpointError",
    "TableDescription",
    "TableRef",
    "Upload",
    "VacuumResult",
    "WriteMode",
    "WriteResult",
    "WriteSpec",
    "WriteState",
    "WriteStatus",
    "lake_address",
    "row_keys",
]

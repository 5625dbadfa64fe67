"""The lake's clients, the types of a write and its receipt, and the errors by what a caller can do about them."""

from weathervane.lake._arrow import RowTooLargeError, decode_schema, encode_schema
from weathervane.lake._caller import lake_address
from weathervane.lake._client import LakeClient
from weathervane.lake._errors import (
    BusyError,
    ConflictingRowsError,
    CorruptedError,
    LakeError,
    NotFoundError,
    OutcomeUnknownError,
    RejectedError,
    StaleCheckpointError,
)
from weathervane.lake._extras import extra_command
from weathervane.lake._keys import row_keys
from weathervane.lake._maintenance import MaintenanceClient
from weathervane.lake._model import (
    QUARANTINE_SCHEMA,
    Checkpoint,
    ColumnRange,
    CompactionResult,
    ControlTotal,
    Counts,
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
    check_name,
)
from weathervane.lake._upload import Upload

__all__ = [
    "QUARANTINE_SCHEMA",
    "BusyError",
    "Checkpoint",
    "ColumnRange",
    "CompactionResult",
    "ConflictingRowsError",
    "ControlTotal",
    "CorruptedError",
    "Counts",
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
    "check_name",
    "decode_schema",
    "encode_schema",
    "extra_command",
    "lake_address",
    "row_keys",
]

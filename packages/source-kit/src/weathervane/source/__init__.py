"""What every source shares: datasets, pages to batches, runs in slices, errors that say what to do.

This menu imports neither Prefect nor gRPC's service, which take seconds: `weathervane.source.tasks`, `.service`,
`.cli`, `.http`, `.sandbox` and `.testing` are imported by their own names.
"""

from weathervane.lake import row_keys
from weathervane.source.checkpoints import format_checkpoint, format_time, parse_checkpoint
from weathervane.source.credentials import SourceCredentials, credentials_block
from weathervane.source.dataset import Column, Convert, Dataset, JsonKind
from weathervane.source.days import end_behind, parse_day, parse_days
from weathervane.source.decoding import decode, parse_amount, parse_time, parse_vendor_day, parse_zone
from weathervane.source.definition import Finding, FlowDefinition, Severity, SourceDefinition
from weathervane.source.errors import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    CursorError,
    DeferredError,
    FatalError,
    IncompleteError,
    InternalError,
    RetriableError,
    SourceError,
    ThrottledError,
    UnavailableError,
)
from weathervane.source.ingestion import Ingestion, IngestionSummary
from weathervane.source.members import members_of
from weathervane.source.normalise import Normalised, normalise
from weathervane.source.paging import Page, paginate, same_origin
from weathervane.source.patching import patched_rows
from weathervane.source.progress import Progress, announce, listening
from weathervane.source.records import split_lines, split_records
from weathervane.source.slices import Deferring, Piece, Reader, Slice, SliceEnd, SliceResult

__all__ = [
    "Column",
    "ConfigurationError",
    "ContractError",
    "Convert",
    "CredentialsError",
    "CursorError",
    "Dataset",
    "DeferredError",
    "Deferring",
    "FatalError",
    "Finding",
    "FlowDefinition",
    "IncompleteError",
    "Ingestion",
    "IngestionSummary",
    "InternalError",
    "JsonKind",
    "Normalised",
    "Page",
    "Piece",
    "Progress",
    "Reader",
    "RetriableError",
    "Severity",
    "Slice",
    "SliceEnd",
    "SliceResult",
    "SourceCredentials",
    "SourceDefinition",
    "SourceError",
    "ThrottledError",
    "UnavailableError",
    "announce",
    "credentials_block",
    "decode",
    "end_behind",
    "format_checkpoint",
    "format_time",
    "listening",
    "members_of",
    "normalise",
    "paginate",
    "parse_amount",
    "parse_checkpoint",
    "parse_day",
    "parse_days",
    "parse_time",
    "parse_vendor_day",
    "parse_zone",
    "patched_rows",
    "row_keys",
    "same_origin",
    "split_lines",
    "split_records",
]

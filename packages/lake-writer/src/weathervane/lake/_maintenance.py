"""The client of LakeMaintenanceService, for operators: lists tenants, compacts and vacuums tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from weathervane.lake import _convert as convert
from weathervane.lake import _convert_maintenance as convert_maintenance
from weathervane.lake._caller import Caller
from weathervane.lake._model import CompactionResult, TableRef, VacuumResult
from weathervane.lake.v1 import lake_maintenance_pb2 as pb
from weathervane.lake.v1 import lake_maintenance_pb2_grpc as pb_grpc

__all__ = ["MaintenanceClient"]

_RETRIED = ("weathervane.lake.v1.LakeMaintenanceService/ListTenants",)
_CALL_SECONDS = 30.0
# A call works for seconds, but it may have to wait for other upkeep, and listing a large folder on a store is slow.
_WORK_SECONDS = 900.0


class MaintenanceClient(Caller):
    """A client for the upkeep of the lake at `target` (`host:port`). Thread-safe; close it, or use it in a `with`.

    A call that failed with a `retriable` error may be repeated; it then does what is left to do.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target, _RETRIED)
        self._stub = pb_grpc.LakeMaintenanceServiceStub(self._channel)

    def tenants(self) -> Iterator[str]:
        """The tenants that have a folder in the lake, in the order of their names.

        Raises:
            LakeError: As its class says.
        """
        token = ""
        while True:
            request = pb.ListTenantsRequest(page_token=token)
            response = self._call("the lake", partial(self._stub.ListTenants, request, timeout=_CALL_SECONDS))
            yield from response.tenants
            token = response.next_page_token
            if not token:
                return

    def compact(self, table: TableRef) -> CompactionResult:
        """Joins small neighbouring files of a table until none are left, in commits of about 2 million rows.

        Raises:
            NotFoundError: The table does not exist.
            BusyError: Other writers committed first in every attempt, or the server cannot be reached.
            LakeError: As its class says. What was committed before stays.
        """
        request = pb.CompactTableRequest(table=convert.table_to_wire(table))
        total: CompactionResult | None = None
        while True:
            response = self._call(table, lambda: self._stub.CompactTable(request, timeout=_WORK_SECONDS))
            result = convert_maintenance.compaction_from_wire(response)
            total = result if total is None else _after(total, result)
            if response.complete:
                return total

    def vacuum(
        self, table: TableRef, *, retention_hours: int | None = None, dry_run: bool = False
    ) -> VacuumResult:
        """Deletes data files that no version within the retention needs.

        Args:
            table: The table.
            retention_hours: Versions that were current within this many hours stay readable; default is the least that
                the server accepts (a week, unless its settings say otherwise).
            dry_run: Only count what would be deleted.

        Raises:
            NotFoundError: The table does not exist.
            RejectedError: The retention is shorter than the server accepts.
            LakeError: As its class says.
        """
        request = pb.VacuumTableRequest(
            table=convert.table_to_wire(table), retention_hours=retention_hours, dry_run=dry_run
        )
        response = self._call(table, lambda: self._stub.VacuumTable(request, timeout=_WORK_SECONDS))
        return convert_maintenance.vacuum_from_wire(response)


def _after(first: CompactionResult, then: CompactionResult) -> CompactionResult:
    """The result of two successive calls together."""
    return replace(
        then,
        commits=first.commits + then.commits,
        files_before=first.files_before,
        bytes_before=first.bytes_before,
        rows_rewritten=first.rows_rewritten + then.rows_rewritten,
    )

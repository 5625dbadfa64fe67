"""LakeMaintenanceService: converts messages, and runs one compaction or vacuum at a time in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc

from weathervane.lake import _convert as convert
from weathervane.lake import _convert_maintenance as convert_maintenance
from weathervane.lake.server.calls import named, off_loop, page
from weathervane.lake.server.maintenance import LakeMaintenance
from weathervane.lake.v1 import lake_maintenance_pb2 as pb
from weathervane.lake.v1 import lake_maintenance_pb2_grpc as pb_grpc

__all__ = ["LakeMaintenanceServicer"]

_Context = grpc.aio.ServicerContext[Any, Any]
_T = TypeVar("_T")


class LakeMaintenanceServicer(pb_grpc.LakeMaintenanceServiceServicer):
    """The methods are documented in `lake_maintenance.proto`."""

    def __init__(self, maintenance: LakeMaintenance) -> None:
        self._maintenance = maintenance
        # One at a time, so that upkeep leaves cores, memory and threads to the writes.
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "lake-upkeep")

    async def ListTenants(self, request: pb.ListTenantsRequest, context: _Context) -> pb.ListTenantsResponse:
        """Lists the tenants."""
        tenants = await off_loop(self._maintenance.tenants)
        names, token = page(tenants, request.page_size, request.page_token)
        return pb.ListTenantsResponse(tenants=names, next_page_token=token)

    async def CompactTable(
        self, request: pb.CompactTableRequest, context: _Context
    ) -> pb.CompactTableResponse:
        """Joins small files of a table, for as long as one call may take."""
        table = named(lambda: convert.table_from_wire(request.table))
        result, complete = await self._alone(lambda: self._maintenance.compact(table))
        return convert_maintenance.compaction_to_wire(result, complete)

    async def VacuumTable(self, request: pb.VacuumTableRequest, context: _Context) -> pb.VacuumTableResponse:
        """Deletes data files that are older than the retention."""
        table = named(lambda: convert.table_from_wire(request.table))
        hours = request.retention_hours if request.HasField("retention_hours") else None
        result = await self._alone(
            lambda: self._maintenance.vacuum(table, hours, dry_run=request.dry_run),
        )
        return convert_maintenance.vacuum_to_wire(result)

    async def _alone(self, work: Callable[[], _T]) -> _T:
        async with self._turn:
            working = asyncio.ensure_future(off_loop(work, self._thread))
            try:
                return await asyncio.shield(working)
            finally:
                # Cancelling the call does not stop the thread, so the next call waits until the thread has finished.
                await asyncio.wait({working})

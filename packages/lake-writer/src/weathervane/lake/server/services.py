"""Puts the services of a lake writer together."""

from __future__ import annotations

from weathervane.lake.server.maintenance import LakeMaintenance
from weathervane.lake.server.maintenance_servicer import LakeMaintenanceServicer
from weathervane.lake.server.service import LakeWriterServicer
from weathervane.lake.server.settings import LakeSettings
from weathervane.lake.server.writer import LakeWriter
from weathervane.lake.v1 import lake_maintenance_pb2, lake_writer_pb2
from weathervane.lake.v1.lake_maintenance_pb2_grpc import add_LakeMaintenanceServiceServicer_to_server
from weathervane.lake.v1.lake_writer_pb2_grpc import add_LakeWriterServiceServicer_to_server
from weathervane.rpc import Service

__all__ = ["lake_services"]


def lake_services(settings: LakeSettings) -> list[Service]:
    """LakeWriterService and LakeMaintenanceService over one lake, for `weathervane.rpc.run_server`."""
    writer = LakeWriter(settings)
    tenants = LakeWriterServicer(writer, settings)
    operator = LakeMaintenanceServicer(LakeMaintenance(settings, writer.turns))
    return [
        Service(
            lake_writer_pb2.DESCRIPTOR.services_by_name["LakeWriterService"].full_name,
            lambda server: add_LakeWriterServiceServicer_to_server(tenants, server),
        ),
        Service(
            lake_maintenance_pb2.DESCRIPTOR.services_by_name["LakeMaintenanceService"].full_name,
            lambda server: add_LakeMaintenanceServiceServicer_to_server(operator, server),
        ),
    ]

"""A client of gRPC's standard health service."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from weathervane.rpc._client import dial

__all__ = ["health"]


def health(target: str, service: str = "", *, timeout: float = 5.0) -> str:
    """Asks a server for the health of one of its services, or of the whole server; does not raise if the call fails.

    Args:
        target: `host:port`.
        service: The service's full proto name, e.g. `weathervane.lake.v1.LakeWriterService`; "" is the whole server.
        timeout: Seconds to wait for an answer.

    Returns:
        The name of a `grpc.health.v1.HealthCheckResponse.ServingStatus`, e.g. `SERVING`, or of the status code with
        which the call failed, e.g. `UNAVAILABLE`.
    """
    with dial(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        except grpc.RpcError as error:
            return str(error.code().name) if isinstance(error, grpc.Call) else "UNKNOWN"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

"""Servers and channels: one port, correct readiness, a bounded shutdown, and retries only where they are safe."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from weathervane.lake import BusyError, LakeClient, TableRef, WriteMode, WriteSpec
from weathervane.lake._convert import spec_to_wire
from weathervane.lake.server import LakeSettings, lake_services
from weathervane.lake.v1 import lake_writer_pb2 as pb
from weathervane.rpc import AddressInUseError, ServerSettings, running_server

SERVICE = "weathervane.lake.v1.LakeWriterService"
MAINTENANCE = "weathervane.lake.v1.LakeMaintenanceService"
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False)])
ROWS = pa.record_batch([pa.array([1])], schema=SCHEMA)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def test_grpcs_own_debug_log_stays_off(caplog: pytest.LogCaptureFixture) -> None:
    """Also if everything else logs at DEBUG, because it can deadlock a process."""
    caplog.set_level(logging.DEBUG)
    assert not logging.getLogger("grpc._cython.cygrpc").isEnabledFor(logging.DEBUG)


def check(channel: grpc.Channel, service: str) -> Any:
    """The health of a service."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


@pytest.mark.parametrize("service", ["", SERVICE])
def test_a_server_that_takes_calls_is_serving(service: str, lake: LakeClient) -> None:
    """The server as a whole, and its service by name."""
    with grpc.insecure_channel(lake.target) as channel:
        assert check(channel, service) == SERVING


def test_a_service_that_is_not_here_has_no_health(lake: LakeClient) -> None:
    """A wrong name must not look healthy."""
    with grpc.insecure_channel(lake.target) as channel, pytest.raises(grpc.RpcError) as caught:
        check(channel, "weathervane.other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_draining_server_says_so_finishes_its_write_and_ends(served: Callable[..., Any]) -> None:
    """After SIGTERM readiness changes at once, the open write is committed, and the exit code is 0."""
    with served() as server, grpc.insecure_channel(server.address) as channel:
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(request)
        assert next(watch).status == SERVING
        with LakeClient(server.address) as lake:
            spec = WriteSpec(TableRef("acme", "orders"), "w", WriteMode.UPSERT, SCHEMA, unique_keys=("id",))
            with lake.begin(spec) as upload:
                server.process.send_signal(signal.SIGTERM)
                assert next(watch).status == NOT_SERVING
                upload.rows(ROWS)
                assert upload.commit().total_rows == 1
        watch.cancel()
        assert server.process.wait(10) == 0


def test_reflection_tells_what_is_served(lake: LakeClient) -> None:
    """So `grpcurl` and other tools need no proto file."""
    with grpc.insecure_channel(lake.target) as channel:
        names = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert set(names) == {
        SERVICE,
        MAINTENANCE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_second_server_cannot_take_the_same_port(lake: LakeClient, tmp_path: Path) -> None:
    """By default gRPC allows that, and half of the calls go to each."""
    services = lake_services(LakeSettings(root=str(tmp_path / "second")))
    settings = ServerSettings(port=int(lake.target.rpartition(":")[2]))
    with (
        pytest.raises(AddressInUseError, match=r"cannot listen on 127\.0\.0\.1:.*choose another"),
        running_server(services, settings, domain="weathervane.lake"),
    ):
        pass


def test_calls_beyond_the_servers_number_are_refused_at_once(tmp_path: Path) -> None:
    """They are not queued without bound."""
    over = threading.Event()

    def stalling(number: int) -> Iterator[pb.WriteRequest]:
        spec = WriteSpec(TableRef("acme", f"table_{number}"), f"w{number}", WriteMode.APPEND, SCHEMA)
        yield pb.WriteRequest(header=spec_to_wire(spec))
        over.wait(30)

    services = lake_services(LakeSettings(root=str(tmp_path)))
    settings = ServerSettings(max_concurrent_rpcs=2, grace_seconds=1)
    with (
        running_server(services, settings, domain="weathervane.lake") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        write: Any = channel.stream_stream(
            f"/{SERVICE}/Write", pb.WriteRequest.SerializeToString, pb.WriteResponse.FromString
        )
        calls = [write(stalling(number)) for number in range(2)]
        # Both hold their places when both headers are answered.
        assert [next(call).acknowledgement.sequence for call in calls] == [-1, -1]
        with LakeClient(server.address) as lake:
            refused = _refusal(lake)
            assert refused is not None
            assert (refused.reason, refused.retriable) == ("TOO_MANY_CALLS", True)
            # Refusing gives no place back.
            assert all(_refusal(lake) for _ in range(20))
            assert check(channel, "") == SERVING
        over.set()
        for call in calls:
            call.cancel()


def _refusal(lake: LakeClient) -> BusyError | None:
    try:
        lake.checkpoint(TableRef("acme", "orders"))
    except BusyError as error:
        return error
    return None


def test_only_unary_methods_are_ever_retried_by_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retryPolicy silently loses messages of a client stream (in 8 of 100 streams), so no stream may have one."""
    given: dict[str, Any] = {}
    real = grpc.insecure_channel

    def keeping(target: str, options: Any) -> grpc.Channel:
        given.update(options)
        return real(target, options)

    monkeypatch.setattr(grpc, "insecure_channel", keeping)
    LakeClient("127.0.0.1:1").close()
    config = json.loads(given["grpc.service_config"])
    named = {(name["service"], name["method"]) for entry in config["methodConfig"] for name in entry["name"]}
    methods = pb.DESCRIPTOR.services_by_name["LakeWriterService"].methods
    unary = {(SERVICE, m.name) for m in methods if not (m.client_streaming or m.server_streaming)}
    assert named == unary
    for entry in config["methodConfig"]:
        assert all(name.get("service") and name.get("method") for name in entry["name"])
        assert entry["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]

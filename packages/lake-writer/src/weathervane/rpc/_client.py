"""Opens client channels, with the same options for every client."""

from __future__ import annotations

import json
from collections.abc import Sequence

import grpc

# A client that pings more often than the server allows is disconnected with "Too many pings" (measured). The server
# allows one ping in 20 s (_server.py).
_KEEPALIVE_MS = 30_000


def dial(
    target: str, *, retried: Sequence[str] = (), max_message_bytes: int = 4 * 1024 * 1024
) -> grpc.Channel:
    """Opens a channel without TLS to a server on loopback or a trusted network; it connects at the first call.

    Args:
        target: `host:port`. If the name resolves to several addresses (a headless Kubernetes service, the replicas of
            a Compose service), calls are spread over those that answer; `ipv4:host:port,host:port` lists addresses.
        retried: Full names of **unary** methods (`weathervane.lake.v1.LakeWriterService/GetWrite`) that the channel
            retries on UNAVAILABLE. Never a streaming method: gRPC's retryPolicy silently loses messages of a client
            stream (measured: 8 of 100 streams were short), so callers retry streams as a whole.
        max_message_bytes: The largest message in either direction, in bytes.
    """
    names = [dict(zip(("service", "method"), name.split("/", 1), strict=True)) for name in retried]
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        # gRPC's default, pick_first, sends all calls to one address for as long as the connection lives.
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": names, "retryPolicy": policy}] if names else [],
    }
    return grpc.insecure_channel(
        target,
        options=[
            ("grpc.service_config", json.dumps(config)),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.max_pings_without_data", 0),
        ],
    )

"""Dialling: one place for channel options, so that every client treats the network alike."""

from __future__ import annotations

import json
from collections.abc import Sequence

import grpc

# Measured: a client ping more often than the server's floor is answered with "Too many pings"; the server's
# floor is 20 s (server.py).
_KEEPALIVE_MS = 30_000


def dial(
    target: str, *, retried: Sequence[str] = (), max_message_bytes: int = 4 * 1024 * 1024
) -> grpc.Channel:
    """Opens a channel to a server on loopback or a trusted network; connects on first use.

    Args:
        target: `host:port`. A name of several addresses (a headless Kubernetes service, the replicas of a compose
            service) shares the calls among all that answer; `ipv4:host:port,host:port` lists them by hand.
        retried: Full names of **unary** methods (`weathervane.lake.v1.LakeWriterService/GetWrite`) that
            the channel may send again on UNAVAILABLE. Never a streaming method: gRPC's retryPolicy loses
            messages of a client stream silently (measured: 8 of 100 short); streams are retried whole, by hand.
        max_message_bytes: The largest message either way.
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
        # gRPC's own choice is the first address that answers, for as long as the connection lives.
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

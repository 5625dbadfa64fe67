"""The server's interceptor: turns exceptions into statuses without leaking their text, and limits concurrent calls."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc

from weathervane.rpc._errors import StatusError

log = logging.getLogger(__name__)


_HEALTH = "/grpc.health.v1.Health/"


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Turns a StatusError into its status, and any other exception into INTERNAL with an incident number.

    grpc.aio by itself sends the text of an unexpected exception to the caller (measured), which may contain paths, SQL
    or secrets. Here the text is logged under the incident number, and the caller gets only the number.

    Calls beyond `max_calls` at the same time are refused with RESOURCE_EXHAUSTED (TOO_MANY_CALLS), except health
    checks. grpc.aio's own `maximum_concurrent_rpcs` is not used, because it decrements its count for each call that it
    refuses and therefore soon refuses none (seen in 1.85).
    """

    def __init__(self, domain: str, max_calls: int) -> None:
        self._domain = domain
        self._max_calls = max_calls
        self._calls = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps the method's handler, because an interceptor by itself sees only the method's name and metadata."""
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None
        method = str(handler_call_details.method)
        for shape, wrap, make in (
            ("unary_unary", self._unary, grpc.unary_unary_rpc_method_handler),
            ("stream_unary", self._unary, grpc.stream_unary_rpc_method_handler),
            ("unary_stream", self._stream, grpc.unary_stream_rpc_method_handler),
            ("stream_stream", self._stream, grpc.stream_stream_rpc_method_handler),
        ):
            behaviour = getattr(handler, shape)
            if behaviour:
                return make(
                    wrap(behaviour, method), handler.request_deserializer, handler.response_serializer
                )
        raise TypeError(f"{method} takes a stream and gives one answer; this house has no such method")

    def _unary(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                with self._place(method):
                    return await behaviour(request, context)
            except Exception as error:
                await self._abort(context, error, method)

        return call

    def _stream(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                with self._place(method):
                    result = behaviour(request, context)
                    # Health and reflection write their responses to the context and return None.
                    if asyncio.iscoroutine(result):
                        await result
                        return
                    # Closed here, so that the handler releases its resources as soon as a call ends early.
                    async with aclosing(result):
                        async for response in result:
                            yield response
            except Exception as error:
                await self._abort(context, error, method)

        return call

    @contextmanager
    def _place(self, method: str) -> Iterator[None]:
        if method.startswith(_HEALTH):
            yield
            return
        if self._calls >= self._max_calls:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_CALLS",
                f"{self._calls} calls are in progress here, which is this server's limit; come back",
            )
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    async def _abort(
        self, context: grpc.aio.ServicerContext[Any, Any], error: Exception, method: str
    ) -> None:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if not isinstance(error, StatusError):
            incident = uuid.uuid4().hex[:12]
            log.error("incident %s in %s", incident, method, exc_info=error)
            error = StatusError(
                grpc.StatusCode.INTERNAL,
                "INTERNAL",
                f"internal error; the server's log has it under incident {incident}",
                {"incident": incident},
            )
        await context.abort_with_status(error.to_status(self._domain))

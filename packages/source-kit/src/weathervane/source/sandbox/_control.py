"""The control routes of a pretend vendor, under `/_sandbox`: clock, faults, requests, truth, tables and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from weathervane.source.sandbox._clock import Clock
from weathervane.source.sandbox._faults import Faults
from weathervane.source.sandbox._json_text import json_bytes, read_json
from weathervane.source.sandbox._recorder import Recorder
from weathervane.source.sandbox._truth import TableTruth

__all__ = ["PretendVendor", "control_routes"]


class PretendVendor(Protocol):
    """What a vendor's state offers so that the control routes can drive it."""

    clock: Clock
    faults: Faults
    recorder: Recorder
    datasets: tuple[str, ...]
    """Names of the data sets that `truth` knows."""
    tables: tuple[str, ...]
    """Names of the lake's tables that `table` knows."""
    changes: Mapping[str, str]
    """Change name -> one sentence that says what it does and which arguments it takes."""

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward and let what is due by then happen."""

    def set_now(self, now: datetime) -> datetime:
        """Move the clock to a time and let what is due by then happen."""

    def truth(self, dataset: str) -> Iterable[Mapping[str, Any]]:
        """Return all the vendor holds of a data set, in the API's own shape. ValueError: unknown."""

    def table(self, name: str) -> TableTruth:
        """Return what a table of the lake must hold by all that the vendor holds now. ValueError: unknown."""

    def change(self, name: str, /, **args: Any) -> Mapping[str, Any]:
        """Do something to the vendor's data. ValueError: unknown change, argument or record."""


def control_routes(vendor: PretendVendor, prefix: str = "/_sandbox") -> list[Route]:
    """Return the control routes for a vendor; an error is JSON `{"error": one sentence}`, status 400."""

    async def index(_: Request) -> Response:
        return _json(
            {
                "now": vendor.clock.now().isoformat(),
                "faults": vendor.faults.known,
                "changes": dict(vendor.changes),
                "truth": list(vendor.datasets),
                "tables": list(vendor.tables),
            }
        )

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            asked = await _object(request)
            if set(asked) == {"now"}:
                await run_in_threadpool(vendor.set_now, _moment(asked["now"]))
            elif set(asked) == {"advance_seconds"}:
                await run_in_threadpool(vendor.advance, float(asked["advance_seconds"]))
            else:
                raise ValueError('the clock takes {"now": time with offset} or {"advance_seconds": number}')
        return _json({"now": vendor.clock.now().isoformat()})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            return _json({"cleared": vendor.faults.clear(request.query_params.get("name"))})
        if request.method == "POST":
            asked = await _object(request)
            if not isinstance(asked.get("name"), str):
                raise ValueError('a fault takes {"name": …, "times": n or null, "skip": n, "match": {…}, …}')
            return _json(vendor.faults.add(**asked).as_dict(), 201)
        return _json(vendor.faults.armed())

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            vendor.recorder.clear()
            return _json({"cleared": True})
        return _json(vendor.recorder.as_dicts())

    async def truth(request: Request) -> Response:
        rows = await run_in_threadpool(lambda: list(vendor.truth(request.path_params["dataset"])))
        lines = b"".join(json_bytes(row) + b"\n" for row in rows)
        return Response(lines, media_type="application/x-ndjson")

    async def table(request: Request) -> Response:
        name = request.path_params["table"]
        found = await run_in_threadpool(lambda: vendor.table(name).of(**request.query_params).to_json())
        return Response(found, media_type="application/json")

    async def change(request: Request) -> Response:
        asked = await _object(request)
        name = asked.pop("change", None)
        if not isinstance(name, str):
            raise ValueError('a change takes {"change": name, arguments}')
        return _json(dict(await run_in_threadpool(lambda: vendor.change(name, **asked))))

    def route(path: str, handler: Callable[[Request], Any], *methods: str) -> Route:
        async def careful(request: Request) -> Response:
            try:
                answer: Response = await handler(request)
                return answer
            except (ValueError, TypeError, KeyError) as error:
                return _json({"error": str(error)}, 400)

        return Route(prefix + path, careful, methods=list(methods))

    return [
        route("", index, "GET"),
        route("/clock", clock, "GET", "POST"),
        route("/faults", faults, "GET", "POST", "DELETE"),
        route("/requests", requests, "GET", "DELETE"),
        route("/truth/{dataset}", truth, "GET"),
        route("/table/{table}", table, "GET"),
        route("/change", change, "POST"),
    ]


def _json(value: Any, status: int = 200) -> Response:
    return Response(json_bytes(value), status, media_type="application/json")


async def _object(request: Request) -> dict[str, Any]:
    try:
        asked = read_json(await request.body())
    except ValueError:
        raise ValueError("the body must be a JSON object") from None
    if not isinstance(asked, dict):
        raise ValueError("the body must be a JSON object")
    return asked


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"a time needs an offset or Z, got {text!r}")
    return moment

"""What every pretend vendor shares: a clock, faults, a recorder, control routes and a server."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import stamina
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from weathervane.source import sandbox
from weathervane.source.sandbox import (
    HTTP_FAULTS,
    ZONE,
    Apps,
    Clock,
    Faults,
    Later,
    Recorder,
    Running,
    SandboxError,
    SandboxOptions,
    TableTruth,
    bind,
    control_routes,
    fingerprint,
    option,
    replacement,
    running,
    sandbox_command,
    serving,
    spoiled,
    url_of,
)

START = datetime(2026, 11, 1, 6, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PretendOptions(SandboxOptions):
    """An option of each kind."""

    token: str = option("tok_sandbox", "the token", secret=True)
    rate: float = option(0.0, "a rate; 0 = none", at_least=0)
    limit: float | None = option(None, "a limit; default: by the plan", above=0)
    plan: Literal["small", "large"] = option("small", "the plan")
    polls: int = option(2, "polls", at_least=1, at_most=9)
    zone: str = option("UTC", "a zone", must=ZONE)
    scopes: tuple[str, ...] = option(("a", "b"), "scopes, by commas")
    pairs: tuple[tuple[str, ...], ...] = option(
        (), "a pair", word="pair", read=lambda text: tuple(text.split("="))
    )
    strict: bool = option(False, "be strict")
    life: bool | None = option(None, "whether it lives")


class ServedError(Exception):
    """What would be served."""


@contextmanager
def shown(options: PretendOptions, host: str, port: int) -> Iterator[tuple[Running, Apps]]:
    """Says what it was given."""
    raise ServedError(options, host, port)
    yield


command = sandbox_command("pretend", "Serve nothing.", PretendOptions, shown)


def test_the_help_of_a_command_names_every_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Once, and none where there is nothing to name."""
    with pytest.raises(SystemExit) as ended:
        command(["--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "the token (default: tok_sandbox)",
        "a rate; 0 = none (default: 0.0)",
        "commas (default: a,b)",
    ):
        assert words in told
    assert told.count("default") == 13
    assert "tok_sandbox" not in repr(PretendOptions())


def test_an_option_is_the_same_on_the_command_line_and_in_python() -> None:
    """What is not given is as the dataclass has it."""
    words = [
        "--port",
        "80",
        "--limit",
        "2.5",
        "--plan",
        "large",
        "--scopes",
        "c, d",
        "--pair",
        "x=y",
        "--pair",
        "z=w",
    ]
    with pytest.raises(ServedError) as served:
        command(
            [*words, "--strict", "--no-life", "--now", "2026-11-01T07:00:00+01:00", "--records", "one.jsonl"]
        )
    given = PretendOptions(
        limit=2.5, plan="large", scopes=("c", "d"), pairs=(("x", "y"), ("z", "w")), strict=True, life=False,
        now=START, records=(Path("one.jsonl"),),
    )  # fmt: skip
    assert served.value.args == (given, "127.0.0.1", 80)
    with pytest.raises(ServedError) as served:
        command([])
    assert served.value.args == (PretendOptions(), "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rate", "-1"], "rate must not be negative, got -1.0"),
        (["--limit", "0"], "limit must be above 0, got 0.0"),
        (["--polls", "10"], "polls must be 1 to 9, got 10"),
        (["--zone", "Nowhere"], "zone must be an IANA name such as Europe/Paris, got 'Nowhere'"),
        (["--plan", "medium"], "argument --plan: invalid choice: 'medium'"),
        (["--now", "2026-11-01"], "argument --now: '2026-11-01' needs an offset or Z"),
        (["--seed", "many"], "argument --seed: invalid int value: 'many'"),
        (["--pol", "3"], "unrecognized arguments: --pol 3"),
    ],
)
def test_what_is_no_option_is_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the program ends with 2; in Python it is a ValueError."""
    with pytest.raises(SystemExit) as ended:
        command(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pretend: {told}")
    with pytest.raises(ValueError, match="now needs an offset or Z"):
        PretendOptions(now=datetime(2026, 11, 1))


def test_the_menu_names_everything_it_offers():
    """Every name of the menu exists, once."""
    assert all(hasattr(sandbox, name) for name in sandbox.__all__)
    assert len(set(sandbox.__all__)) == len(sandbox.__all__)


def test_a_clock_stands_still_until_it_is_moved():
    """It moves by seconds or to a time, and keeps UTC."""
    clock = Clock(START.astimezone(timezone(timedelta(hours=2))))
    assert clock.now() == clock.now() == START
    assert clock.advance(90) == START + timedelta(seconds=90)
    assert clock.set(START + timedelta(days=1)) == clock.now() == START + timedelta(days=1)
    assert clock.now().tzinfo is UTC


def test_a_clock_can_run_at_a_rate_of_real_time():
    """A rate of 60 makes a minute of every second, also after it was moved."""
    real = [100.0]
    clock = Clock(START, rate=60, monotonic=lambda: real[0])
    real[0] += 2
    assert clock.now() == START + timedelta(minutes=2)
    clock.advance(30)
    real[0] += 1
    assert clock.now() == START + timedelta(minutes=3, seconds=30)


@pytest.mark.parametrize(
    ("move", "says"),
    [
        (lambda clock: clock.set(START - timedelta(seconds=1)), "does not go back"),
        (lambda clock: clock.set(datetime(2027, 1, 1)), "timezone-aware"),
        (lambda clock: clock.advance(-1), "does not go back"),
        (lambda clock: clock.advance(float("nan")), "does not go back"),
        (lambda clock: Clock(datetime(2027, 1, 1)), "timezone-aware"),
        (lambda clock: Clock(START, rate=-1), "must not be negative"),
    ],
    ids=["set back", "set naive", "advance back", "advance by nothing", "start naive", "run back"],
)
def test_a_clock_never_goes_back_and_never_guesses_a_timezone(move, says):
    """A vendor's records only grow older."""
    clock = Clock(START)
    with pytest.raises(ValueError, match=says):
        move(clock)
    assert clock.now() == START


def test_a_fault_fires_as_often_as_it_is_told():
    """Once unless told otherwise; None means until cleared; the oldest goes first."""
    faults = Faults({"status": "…", "slow": "…"})
    faults.add("status", status=500)
    faults.add("status", 2, status=503)
    fired = [faults.take("status") for _ in range(4)]
    assert [fault and fault.args["status"] for fault in fired] == [500, 503, 503, None]
    faults.add("slow", None)
    assert all(faults.take("slow") for _ in range(10))
    assert faults.clear("slow") == 1
    assert faults.take("slow") is None


def test_a_fault_waits_for_the_occasion_that_fits():
    """By facts, by any of several values, by membership, and after some that pass."""
    faults = Faults({"status": "…"})
    faults.add("status", match={"page": [2, 3], "field": "orders"}, skip=1)
    occasions = [
        {"page": 1, "field": ("orders",)},
        {"page": 2, "field": ("products",)},
        {"page": 2, "field": ("shop", "orders")},  # fits, and is skipped
        {"page": 3, "field": "orders"},
        {"page": 3, "field": "orders"},
    ]
    assert [bool(faults.take("status", **facts)) for facts in occasions] == [False, False, False, True, False]


def test_a_standing_fault_is_seen_without_being_used_up():
    """It is a state of the vendor, not an occasion."""
    faults = Faults({"hidden": "…"})
    faults.add("hidden", id="7")
    assert [fault.args for fault in faults.standing("hidden")] == [{"id": "7"}] * 1
    assert faults.armed() == [
        {"id": "7", "name": "hidden", "times": 1, "skip": 0, "match": {}, "fired": 0},
    ]
    assert faults.clear() == 1
    assert faults.standing("hidden") == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("earthquake", {}, "unknown fault 'earthquake'; known faults: status"),
        ("status", {"times": 0}, "times must be a whole number"),
        ("status", {"skip": -1}, "skip must be a whole number"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(name, options, says):
    """A misspelt fault would be a test that tests nothing."""
    with pytest.raises(ValueError, match=says):
        Faults({"status": "…"}).add(name, **options)


def test_a_counted_fault_is_exact_under_threads():
    """A hundred threads share fifty firings."""
    faults = Faults({"status": "…"})
    faults.add("status", 50)
    hits: list[object] = []
    barrier = threading.Barrier(10)

    def hammer() -> None:
        barrier.wait()
        hits.extend(fault for _ in range(10) if (fault := faults.take("status")))

    threads = [threading.Thread(target=hammer) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hits) == 50


def test_a_recorder_keeps_fingerprints_in_place_of_secrets():
    """In headers, query strings, form bodies and JSON bodies; the rest stays readable."""
    recorder = Recorder(["X-Token"], ["secret", "sig"])
    common: dict[str, Any] = {"host": "api", "method": "POST", "path": "/x", "status": 200}
    recorder.record(**common, headers={"X-TOKEN": "canary1", "Accept": "*/*"}, query="a=1&sig=canary2")
    recorder.record(**common, headers={}, body=b'{"secret": "can\\"ary3", "id": "7"}')
    recorder.record(**common, headers={}, body=b"id=7&secret=canary4")
    text = json.dumps(recorder.as_dicts())
    assert "ary" not in text
    first, second, third = recorder.seen()
    assert first.headers == {"x-token": fingerprint("canary1"), "accept": "*/*"}
    assert first.query == f"a=1&sig={fingerprint('canary2')}"
    assert '"id": "7"' in second.body
    assert third.body == f"id=7&secret={fingerprint('canary4')}"
    assert fingerprint("canary1") != fingerprint("canary2")


def test_a_recorder_is_bounded():
    """The oldest requests go first, long bodies are cut, and numbers go on after a clearing."""
    recorder = Recorder([], [], keep=3)
    for number in range(5):
        recorder.record(
            host="api", method="GET", path=f"/{number}", headers={}, status=200, body=b"x" * 100_000
        )
    assert [one.path for one in recorder.seen()] == ["/2", "/3", "/4"]
    assert {len(one.body) for one in recorder.seen()} == {65_536}
    recorder.clear()
    assert recorder.record(host="api", method="GET", path="/", headers={}, status=200).number == 6
    assert recorder.seen("other") == []


class Vendor:
    """The smallest pretend vendor."""

    def __init__(self) -> None:
        self.clock = Clock(START)
        self.faults = Faults(HTTP_FAULTS)
        self.recorder = Recorder([], [])
        self.datasets: tuple[str, ...] = ("rows",)
        self.tables: tuple[str, ...] = ("rows",)
        self.changes: Mapping[str, str] = {"grow": "…"}
        self.rows = [{"id": "é1"}]

    def advance(self, seconds: float) -> datetime:
        """Move the clock."""
        return self.clock.advance(seconds)

    def set_now(self, now: datetime) -> datetime:
        """Move the clock."""
        return self.clock.set(now)

    def truth(self, dataset: str) -> list[dict[str, Any]]:
        """Return the rows."""
        if dataset not in self.datasets:
            raise ValueError(f"unknown data set {dataset!r}")
        return self.rows

    def table(self, name: str) -> TableTruth:
        """Return the rows, and a row that is gone."""
        if name not in self.tables:
            raise ValueError(f"unknown table {name!r}")
        return TableTruth(("id",), self.rows, [{"id": "0", "deleted_at": Later(START)}], ("name",))

    def change(self, name: str, **args: Any) -> dict[str, Any]:
        """Add a row."""
        self.rows.append({"id": args["id"]})
        return self.rows[-1]


@pytest.fixture
def vendor():
    """Serve the smallest pretend vendor; yield it with a client."""
    state = Vendor()

    async def hello(request: Request) -> Response:
        facts = {"path": request.url.path}
        answer = replacement(
            state.faults, lambda status: ("application/json", f'{{"status":{status}}}'), **facts
        )
        return await spoiled(state.faults, answer or JSONResponse({"hello": "x" * 500}), **facts)

    app = Starlette(routes=[*control_routes(state), Route("/hello", hello)])
    sock = bind()
    with serving([(app, sock)]), httpx.Client(base_url=url_of(sock), timeout=10) as client:
        yield state, client


def test_the_control_routes_drive_a_vendor_over_http(vendor):
    """Clock, faults, truth, changes and requests, for a client of any language."""
    state, client = vendor
    assert client.get("/_sandbox").json()["truth"] == ["rows"]
    assert client.post("/_sandbox/clock", json={"advance_seconds": 5}).json() == {
        "now": "2026-11-01T06:00:05+00:00"
    }
    assert client.post("/_sandbox/clock", json={"now": "2026-11-02T00:00:00+01:00"}).json() == {
        "now": "2026-11-01T23:00:00+00:00"
    }
    assert client.post("/_sandbox/change", json={"change": "grow", "id": "2"}).json() == {"id": "2"}
    truth = client.get("/_sandbox/truth/rows")
    assert truth.headers["Content-Type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in truth.text.splitlines()] == [{"id": "é1"}, {"id": "2"}]
    # Half of a character, as of a cut emoji, is no UTF-8: it goes as an escape.
    half = {"id": "\ud83d"}
    sent = json.dumps({"change": "grow", **half})
    assert client.post("/_sandbox/change", content=sent).json() == half
    assert json.loads(client.get("/_sandbox/truth/rows").text.splitlines()[-1]) == half
    assert TableTruth.from_json(client.get("/_sandbox/table/rows").content) == state.table("rows")
    assert TableTruth.from_json(client.get("/_sandbox/table/rows?id=2").content).rows == [{"id": "2"}]
    assert client.post("/_sandbox/faults", json={"name": "status", "status": 418}).status_code == 201
    assert client.get("/_sandbox/faults").json()[0]["status"] == 418
    assert client.get("/hello").json() == {"status": 418}
    assert client.get("/_sandbox/faults").json() == []
    state.recorder.record(host="api", method="GET", path="/hello", headers={}, status=200)
    assert [one["path"] for one in client.get("/_sandbox/requests").json()] == ["/hello"]
    assert client.delete("/_sandbox/requests").json() == {"cleared": True}
    assert client.get("/_sandbox/requests").json() == []


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/clock", b"{}", "advance_seconds"),
        ("/clock", b'{"now": "2026-10-01T00:00:00Z"}', "does not go back"),
        ("/clock", b'{"now": "2027-10-01T00:00:00"}', "needs an offset"),
        ("/faults", b"[]", "must be a JSON object"),
        ("/faults", b"{", "must be a JSON object"),
        ("/faults", b'{"name": "earthquake"}', "unknown fault"),
        ("/faults", b'{"name": "status", "times": "x"}', "not supported"),
        ("/change", b"{}", "change"),
    ],
)
def test_the_control_routes_refuse_with_one_sentence(vendor, path, body, says):
    """Status 400 and an error that says what was wrong."""
    _, client = vendor
    answer = client.post(f"/_sandbox{path}", content=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_an_answer_can_be_cut_dripped_or_replaced(vendor):
    """Every HTTP fault is seen over a real socket; the answer after it is whole."""
    state, client = vendor
    state.faults.add("cut")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get("/hello")
    state.faults.add("drip", seconds=0.001, pieces=5)
    with client.stream("GET", "/hello") as answer:
        pieces = list(answer.iter_raw())
    assert len(b"".join(pieces)) == int(answer.headers["Content-Length"]) > 500
    state.faults.add("slow", seconds=0.05)
    assert client.get("/hello").elapsed.total_seconds() >= 0.05
    state.faults.add("redirect", location="http://127.0.0.1:9/")
    assert client.get("/hello").headers["Location"] == "http://127.0.0.1:9/"
    state.faults.add("gzip_bomb", megabytes=3)
    bomb = client.get("/hello")
    assert len(bomb.content) > 3_000_000 > 100 * int(bomb.headers["Content-Length"])
    for name, text in (
        ("html_200", "<html"),
        ("wrong_content", "[]"),
        ("deep_json", "[[["),
        ("nan_json", "NaN"),
    ):
        state.faults.add(name)
        assert text in client.get("/hello").text
    assert client.get("/hello").json()["hello"]


def test_several_applications_are_served_at_once_and_stop_together():
    """Each on its own free port; after the block nothing listens any more."""

    def app(name: str) -> Starlette:
        async def who(_: Request) -> Response:
            return JSONResponse(name)

        return Starlette(routes=[Route("/", who)])

    before = set(threading.enumerate())
    sockets = [bind(), bind()]
    urls = [url_of(sock) for sock in sockets]
    with serving([(app("one"), sockets[0]), (app("two"), sockets[1])]):
        assert [httpx.get(url).json() for url in urls] == ["one", "two"]
    assert {one for one in threading.enumerate() if one.name == "weathervane-sandbox"} <= before
    for url in urls:
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def test_calls_take_their_time_and_are_counted_while_they_do() -> None:
    """The control routes are no calls, and are answered at once."""
    released = asyncio.Event()

    async def held(request: Request) -> Response:
        await released.wait()
        return JSONResponse({"path": request.url.path})

    async def release(_: Request) -> Response:
        released.set()
        return JSONResponse({})

    @contextmanager
    def prepared(options: PretendOptions, host: str, port: int) -> Iterator[tuple[Running, Apps]]:
        sock = bind(host, port)
        yield (
            Running(url_of(sock)),
            [(Starlette(routes=[Route("/one", held), Route("/_sandbox/clock", release)]), sock)],
        )

    with (
        running(prepared, PretendOptions(latency=0.25)) as vendor,
        httpx.Client(base_url=vendor.url, timeout=60) as client,
        ThreadPoolExecutor(5) as threads,
    ):
        answers = [threads.submit(client.get, "/one") for _ in range(5)]
        for attempt in stamina.retry_context(on=AssertionError, attempts=None, timeout=60, wait_max=0.02):
            with attempt:
                assert client.get("/_sandbox/calls").json()["in_flight"] == 5
        client.get("/_sandbox/clock")
        assert all(one.result().json() == {"path": "/one"} for one in answers)
        assert client.get("/_sandbox/calls").json() == {"calls": 5, "in_flight": 0, "most_in_flight": 5}
        client.delete("/_sandbox/calls")
        began = time.monotonic()
        client.get("/one")
        assert time.monotonic() - began >= 0.25
        assert client.get("/_sandbox/calls").json() == {"calls": 1, "in_flight": 0, "most_in_flight": 1}


def test_a_port_in_use_is_one_clear_sentence():
    """So are a port that is none and a host that is nobody's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}: .*in use"):
            bind("127.0.0.1", port)
    with pytest.raises(SandboxError, match="a port is between 0 and 65535"):
        bind("127.0.0.1", 65_536)
    with pytest.raises(SandboxError, match=r"cannot listen on no\.such\.host\.invalid:0"):
        bind("no.such.host.invalid")


def test_a_table_is_held_against_what_the_vendor_says_it_must_hold():
    """Rows that are missing, too many, other or there twice are told in one line; what is gone may be there or not."""
    day = date(2026, 11, 1)
    truth = TableTruth(
        ("id", "day"),
        [{"id": n, "day": day, "spend": Decimal("1.50"), "seen": START, "name": "x"} for n in "ab"],
        [{"id": "c", "deleted_at": Later(START)}],
        ("name",),
    )
    a, b = ({**row, "tenant_id": "acme", "name": "older"} for row in truth.rows)
    gone = {"id": "c", "day": day, "deleted_at": START + timedelta(seconds=1)}
    for one in (truth, TableTruth.from_json(truth.to_json())):
        assert one.difference([a, b]) is None
        assert one.difference([a, b, gone]) is None
        assert one.of(id="a").difference([a]) is None
        for held, missing, extra, differ in (
            ([a], 1, 0, 0),
            ([a, b, b], 0, 1, 0),
            ([a, b, {**b, "id": "d", "deleted_at": None}], 0, 1, 0),
            ([a, b, {**gone, "deleted_at": START}], 0, 1, 0),
            ([a, b, {**gone, "deleted_at": None}], 0, 1, 0),
            ([a, {**b, "spend": Decimal("1.51")}], 0, 0, 1),
            ([a, {**b, "seen": None}], 0, 0, 1),
        ):
            said = f"{missing} rows are missing, {extra} too many, {differ} differ; e.g. "
            assert one.difference(held).startswith(said)
    assert one.of(id="a").difference([b]).endswith(f"e.g. [('a', {day!r}), ('b', {day!r})]")


def test_a_value_that_no_table_has_is_not_told():
    """It would come back as something else."""
    with pytest.raises(TypeError, match="a bytes is no value of a table"):
        TableTruth(("id",), [{"id": b"1"}]).to_json()

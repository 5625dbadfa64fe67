"""Limits are shared by all whom they bind, and waited for in the vendor's own numbers. No test waits."""

import math
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.settings import PREFECT_HOME, temporary_settings

from weathervane.source._errors import DeferredError
from weathervane.source._http.client import vendor_client
from weathervane.source._http.pace import (
    COST,
    FOLDER,
    CostBucket,
    PaceChain,
    PauseGate,
    ThrottleStatus,
    shared,
)
from weathervane.source._http.verdict import Accept, Retry, decode_json
from weathervane.source._progress import Progress, listening

from .vendor_stub import answer, vendor_stub


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def call(cost: float) -> httpx.Request:
    """A call that asks for so many points."""
    return httpx.Request("POST", "https://x/", extensions={COST: cost})


def status(response: httpx.Response) -> ThrottleStatus | None:
    """Read a status out of an answer's extensions."""
    return response.extensions.get("status")


def told(maximum: float, available: float, rate: float) -> httpx.Response:
    """An answer that describes the bucket."""
    return httpx.Response(200, extensions={"status": ThrottleStatus(maximum, available, rate)})


def bucket(clock: Clock, **options: float) -> CostBucket:
    """A bucket on the test's own clock."""
    return CostBucket(status, default_cost=100, clock=clock, sleep=clock.sleep, **options)


def test_nothing_is_waited_for_before_the_server_said_a_number() -> None:
    """No plan's numbers are hard-coded."""
    clock = Clock()
    pace = bucket(clock)
    for _ in range(100):
        pace.before(call(1000))
        pace.after(httpx.Response(200), Accept())

    assert clock.slept == []


def test_the_wait_is_what_is_lacking_by_the_restore_rate() -> None:
    """The documented example: 752 asked, 666 there, 50 a second."""
    clock = Clock()
    pace = bucket(clock)
    pace.after(told(1000, 666, 50), Accept())
    pace.before(call(752))

    assert clock.slept == [pytest.approx((752 - 666) / 50)]


def test_points_come_back_with_time_and_never_over_the_maximum() -> None:
    """After a long pause the bucket is full, not fuller."""
    clock = Clock()
    pace = bucket(clock)
    pace.after(told(1000, 0, 100), Accept())
    clock.now += 3600
    pace.before(call(1000))
    pace.before(call(500))

    assert clock.slept == [pytest.approx(5.0)]


def test_calls_between_two_answers_do_not_spend_the_same_points() -> None:
    """Three threads at once: the second and third wait, each longer than the one before."""
    clock = Clock()
    pace = CostBucket(status, default_cost=100, clock=lambda: 1000.0, sleep=clock.slept.append)
    pace.after(told(1000, 400, 100), Accept())
    for _ in range(3):
        pace.before(call(400))

    assert clock.slept == [pytest.approx(4.0), pytest.approx(8.0)]


def test_a_call_dearer_than_the_bucket_waits_for_a_full_one() -> None:
    """It can never have enough: the server decides (MAX_COST_EXCEEDED), we do not wait for ever."""
    clock = Clock()
    pace = bucket(clock)
    pace.after(told(1000, 500, 100), Accept())
    pace.before(call(5000))

    assert clock.slept == [pytest.approx(5.0)]


def test_a_long_wait_reschedules_and_takes_no_points() -> None:
    """The run gives up its worker, and leaves the bucket to others."""
    clock = Clock()
    pace = bucket(clock, max_wait=60)
    pace.after(told(20_000, 0, 100), Accept())
    with pytest.raises(DeferredError, match="200 s to fill") as caught:
        pace.before(call(20_000))
    pace.before(call(100))

    assert caught.value.retry_after == pytest.approx(200)
    assert clock.slept == [pytest.approx(1.0)]


def test_a_bucket_that_never_fills_is_not_believed() -> None:
    """A restore rate of zero would divide by zero, and wait for ever."""
    clock = Clock()
    pace = bucket(clock)
    pace.after(told(1000, 0, 0), Accept())
    pace.before(call(1000))

    assert clock.slept == []


@pytest.mark.parametrize(
    ("maximum", "available", "rate"), [(math.inf, -math.inf, 1), (math.nan, 0, 1), (1000, 0, math.inf)]
)
def test_a_bucket_that_counts_in_no_numbers_is_not_believed(
    maximum: float, available: float, rate: float
) -> None:
    """As one that never fills."""
    clock = Clock()
    limit = bucket(clock)
    limit.after(told(maximum, available, rate), Accept())
    limit.before(call(100))
    assert clock() == Clock()()


def test_no_bucket_is_waited_for_longer_than_a_day() -> None:
    """Nor told so: a rate near nothing makes the wait infinite."""
    limit = bucket(Clock())
    limit.after(told(1000, -1e300, 1e-300), Accept())
    with pytest.raises(DeferredError, match="needs 86400 s to fill") as caught:
        limit.before(call(100))
    assert caught.value.retry_after == 86_400


@given(
    calls=st.lists(st.tuples(st.floats(1, 1000), st.floats(0, 20)), min_size=1, max_size=40),
    maximum=st.floats(1000, 4000),
    rate=st.floats(20, 1000),
)
def test_a_server_that_counts_like_this_never_refuses(
    calls: list[tuple[float, float]], maximum: float, rate: float
) -> None:
    """Whatever is asked, whenever: a true leaky bucket on the other side always has the points."""
    clock = Clock()
    pace = bucket(clock, max_wait=1e9)
    available, at = maximum, clock.now
    for cost, pause in calls:
        clock.now += pause
        pace.before(call(cost))
        available, at = min(maximum, available + (clock.now - at) * rate), clock.now
        assert available >= cost - 1e-6
        available -= cost
        pace.after(told(maximum, available, rate), Accept())


def test_a_throttle_that_one_meets_pauses_all() -> None:
    """Google's project scope, Meta's app scope: one gate for every tenant of it. A pause that is long is told."""
    clock = Clock()
    gate = PauseGate("the app", clock=clock, sleep=clock.sleep)
    heard: list[Progress] = []
    with listening(heard.append):
        gate.before(call(1))
        gate.pause(30)
        gate.pause(10)  # a later, shorter one changes nothing
        gate.before(call(1))
        gate.before(call(1))
        gate.pause(4)
        gate.before(call(1))

    assert clock.slept == [30, 4]
    assert [one.message for one in heard] == ["the app is paused by the vendor; waits 30 s"]


def test_a_long_pause_reschedules_everybody_without_a_call() -> None:
    """A daily quota is gone: every tenant's run learns when to come back, and the vendor hears nothing."""
    clock = Clock()
    gate = PauseGate("project 42", max_wait=60, clock=clock, sleep=clock.sleep)
    gate.pause(17_941)
    with vendor_stub(lambda _: answer({})) as stub:
        for _ in range(2):
            with (
                vendor_client(stub.url, pace=PaceChain(gate)) as client,
                pytest.raises(DeferredError, match=r"project 42 is paused .* 17941 s") as caught,
            ):
                client.get("/")
            assert caught.value.retry_after == 17_941
        assert stub.connections == 0
        clock.now += 17_942
        with vendor_client(stub.url, pace=PaceChain(gate)) as client:
            assert decode_json(client.get("/")) == {}


def test_no_pause_is_longer_than_a_day() -> None:
    """One absurd delay shuts out all tenants of an app for a day, not for as long as it likes."""
    clock = Clock()
    gate = PauseGate("the app", clock=clock, sleep=clock.sleep)
    gate.pause(1e308 * 10)
    with pytest.raises(DeferredError, match="86400 s"):
        gate.before(call(1))
    clock.now += 86_401
    gate.before(call(1))


def test_one_tenants_throttle_stops_the_others_before_they_call() -> None:
    """Tenant A meets the app's limit; tenant B, another client, does not even ask."""
    clock = Clock()

    def pauses(response: httpx.Response, verdict: object) -> float | None:
        return verdict.after if isinstance(verdict, Retry) else None

    gate = PauseGate("the app", pauses=pauses, clock=clock, sleep=clock.sleep)
    with (
        vendor_stub(lambda _: answer({}, 429, {"Retry-After": "300"})) as stub,
        vendor_client(stub.url, pace=gate) as tenant_a,
        vendor_client(stub.url, pace=gate) as tenant_b,
    ):
        with pytest.raises(DeferredError, match="asks to wait 300 s"):
            tenant_a.get("/")
        with pytest.raises(DeferredError, match="the app is paused"):
            tenant_b.get("/")
        assert len(stub.calls) == 1


@pytest.fixture(params=["in a folder that is named", "of a worker"])
def pauses_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The folder in which processes tell each other of pauses: that of the variable, or in Prefect's home."""
    folder = tmp_path / "weathervane-pauses"
    if request.param == "of a worker":
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid.uuid4()))
        monkeypatch.setenv("PREFECT_HOME", str(tmp_path))  # of the other process
    else:
        monkeypatch.setenv(FOLDER, str(folder))
    with temporary_settings({PREFECT_HOME: tmp_path}):
        yield folder


def test_a_pause_that_one_process_meets_pauses_all(pauses_folder: Path) -> None:
    """Each tenant's run is a process of its own: what one of them is told, the others know before they call."""
    key = ("vendor", "secret-token")
    other = textwrap.dedent(
        f"""
        from weathervane.source._http.pace import PauseGate
        PauseGate("the app", key={key!r}).pause(3600)
        PauseGate("the app", key={key!r}).pause(30)
        """
    )
    gate = PauseGate("the app", key=key)
    gate.before(call(1))
    subprocess.run([sys.executable, "-c", other], check=True)
    with pytest.raises(DeferredError, match="the app is paused") as caught:
        gate.before(call(1))
    assert 3500 < caught.value.retry_after <= 3600
    PauseGate("another", key=("vendor", "another")).before(call(1))
    PauseGate("of this process alone").before(call(1))
    (file,) = pauses_folder.iterdir()
    assert "token" not in file.name + file.read_text()
    for nonsense in ("", "soon", str(time.time() + 1e6), str(time.time() - 1)):
        file.write_text(nonsense)
        PauseGate("the app", key=key).before(call(1))


def test_a_pause_prolonged_while_waiting_is_waited_out() -> None:
    """Who sleeps at the gate looks again before passing."""
    clock = Clock()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            gate.pause(20)
        clock.sleep(seconds)

    gate = PauseGate("the app", clock=clock, sleep=sleep)
    gate.pause(5)
    gate.before(call(1))

    assert naps == [5, 15]


def test_the_bucket_learns_from_real_answers() -> None:
    """Through a client: JSON numbers are Decimal there, and the second call waits by them."""

    def read(response: httpx.Response) -> ThrottleStatus:
        found = decode_json(response)["throttleStatus"]  # type: ignore[index]
        assert isinstance(found["maximumAvailable"], Decimal)
        return ThrottleStatus(found["maximumAvailable"], found["currentlyAvailable"], found["restoreRate"])

    clock = Clock()
    pace = CostBucket(read, default_cost=100, clock=clock, sleep=clock.sleep)
    body = {"throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 50, "restoreRate": 50.0}}
    with vendor_stub(lambda _: answer(body)) as stub, vendor_client(stub.url, pace=pace) as client:
        client.get("/")
        client.get("/", extensions={COST: 300})

    assert clock.slept == [pytest.approx(5.0)]


def test_one_limit_has_one_state_in_a_process() -> None:
    """Many threads ask for the same limit at once; its state is made once."""
    made: list[object] = []
    found: list[object] = []
    start = threading.Barrier(8, timeout=10)

    def factory() -> object:
        made.append(object())
        return made[-1]

    def ask() -> None:
        start.wait()
        found.append(shared(("test", "one limit"), factory))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert set(map(id, found)) == {id(made[0])}
    assert shared(("test", "another"), factory) is not made[0]

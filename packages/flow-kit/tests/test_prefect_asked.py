"""What is said when Prefect does not answer as it should."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL

from weathervane.flow import FlowError, Known, deploy, prefect_asked
from weathervane.flow.testing import PASSWORD, SICK, sick_prefect

from .pretend_package import make_package


@pytest.fixture(params=SICK)
def sick(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Prefect's address leads there; the address, and the reason to be told."""
    with sick_prefect(request.param) as found:
        yield found


def test_who_deploys_is_told(sick: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether to wait or to correct something, which server, and what next; never the password."""
    address, reason = sick
    with pytest.raises(FlowError) as caught:
        deploy(PREFECT_API_URL.value(), found=[make_package(tmp_path, monkeypatch).point])
    error = caught.value
    assert (error.reason, error.retriable) == (reason, reason == "PREFECT_API")
    assert f"the Prefect server at http://{address}/api " in str(error)
    assert "next: " in str(error)
    for word in (PASSWORD, "operator", "\n"):
        assert word not in str(error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("refused"), "PREFECT_API"),
        (httpx.ReadTimeout("slow"), "PREFECT_API"),
        (httpx.TooManyRedirects("to a login page"), "PREFECT_URL"),
        (httpx.InvalidURL("no url"), "PREFECT_URL"),
        (JSONDecodeError("Expecting value", "<!doctype html>", 0), "PREFECT_URL"),
    ],
)
def test_what_fails_in_the_midst_of_a_run_is_told_likewise(error: Exception, reason: str) -> None:
    """Whatever Prefect's client raises there; what is no matter of Prefect's passes. It crosses a process border."""
    with pytest.raises(FlowError) as caught, prefect_asked():
        raise error
    assert caught.value.reason == reason
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.reason) == (type(caught.value), str(caught.value), reason)
    with pytest.raises(KeyError, match="ours"), prefect_asked():
        raise KeyError("ours")


def test_only_errors_that_are_made_to_be_shown_are_known() -> None:
    """By what they say of themselves, not by their class."""
    assert isinstance(FlowError("it is down", reason="DOWN"), Known)
    assert not isinstance(httpx.ConnectError(PASSWORD), Known)

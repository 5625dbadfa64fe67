"""Errors say what happened, to whom, and what to do next; and they survive every border."""

import copy
import inspect
import pickle

import pytest

from weathervane.source import _errors as errors
from weathervane.source._errors import (
    ConfigurationError,
    ContractError,
    CredentialsError,
    CursorError,
    DeferredError,
    FatalError,
    IncompleteError,
    InternalError,
    RetriableError,
    SourceError,
    ThrottledError,
    UnavailableError,
)

RETRIABLE = [RetriableError, ThrottledError, UnavailableError, IncompleteError]
FINAL = [FatalError, ConfigurationError, CredentialsError, ContractError, CursorError]
TREE = [SourceError, *FINAL, *RETRIABLE, DeferredError, InternalError]


def make(cls: type[SourceError]) -> SourceError:
    """One error of the class, with every field set."""
    extra = {"retry_after": 7.5} if issubclass(cls, ThrottledError | DeferredError) else {}
    return cls("it broke", reason="IT_BROKE", tenant="acme", dataset="orders", slice="2026-11-01", **extra)


@pytest.mark.parametrize("cls", [ThrottledError, DeferredError])
def test_no_delay_is_longer_than_a_day(cls: type[ThrottledError | DeferredError]) -> None:
    """Whoever read it, and from whatever: a header, a body, a bucket that never fills."""
    for seconds, meant in [(73_473, 73_473), (86_400.0, 86_400), (999_999_999, 86_400), (1e308 * 10, 86_400)]:
        assert cls("later", reason="THROTTLED", retry_after=seconds).retry_after == meant
    for seconds in (-1, -1e308 * 10, float("nan"), 0):
        assert cls("later", reason="THROTTLED", retry_after=seconds).retry_after == 0


@pytest.mark.parametrize("cls", TREE)
def test_an_error_is_one_line_that_says_what_who_and_next(cls: type[SourceError]) -> None:
    """Whoever reads only the log line knows what to do."""
    line = str(make(cls))

    context = "tenant=acme dataset=orders slice=2026-11-01 reason=IT_BROKE"
    assert line == f"it broke [{context}]; next: {cls.advice}"
    assert repr(make(cls)) == f"<{cls.__name__} {line}>"


@pytest.mark.parametrize("cls", TREE)
@pytest.mark.parametrize(
    "carry", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"]
)
def test_an_error_crosses_a_process_border_whole(cls: type[SourceError], carry) -> None:  # type: ignore[no-untyped-def]
    """Class, message, reason, context and delay are the same on the other side."""
    before = make(cls)
    after = carry(before)

    assert type(after) is cls
    assert after.__dict__ == before.__dict__
    assert after.args == before.args
    assert str(after) == str(before)


def test_the_tree_says_what_may_be_retried() -> None:
    """Retry is decided by the class, never by reading the message."""
    assert [c.retriable for c in RETRIABLE] == [True] * len(RETRIABLE)
    assert [c.retriable for c in [*FINAL, DeferredError, InternalError, SourceError]] == [False] * (
        len(FINAL) + 3
    )
    assert all(issubclass(c, FatalError) for c in FINAL)
    assert all(issubclass(c, RetriableError) for c in RETRIABLE)


def test_the_menu_and_the_drawing_name_every_error() -> None:
    """The tree at the top of the module cannot rot."""
    defined = {n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, errors.SourceError)}

    assert defined == {c.__name__ for c in TREE}
    assert defined <= set(errors.__all__)
    assert all(name in (errors.__doc__ or "") for name in defined)


def test_the_innermost_context_stays() -> None:
    """An outer layer adds what is missing and never overwrites what an inner one knew."""
    error = UnavailableError("down", reason="HTTP_503", dataset="orders")

    assert error.with_context(tenant="acme", dataset="products") is error
    assert (error.tenant, error.dataset, error.slice) == ("acme", "orders", None)


def test_a_hostile_text_cannot_forge_log_lines_or_fill_the_disk() -> None:
    """A vendor's text inside a message stays one bounded line."""
    error = ContractError("bad\r\n2026-11-23 INFO all is well\x1b[2J\u2028" + "x" * 5000, reason="BAD_ANSWER")

    assert str(error).isprintable()
    assert len(str(error)) < 1000
    assert "bad 2026-11-23 INFO all is well" in str(error)


@pytest.mark.parametrize("reason", ["", "AB", "lower_case", "HAS SPACE", "X" * 64, "OK_REASON\n"])
def test_a_reason_that_no_machine_could_match_is_refused(reason: str) -> None:
    """Reasons are UPPER_SNAKE_CASE, so that alerts and dashboards can rely on them."""
    with pytest.raises(ValueError, match="UPPER_SNAKE_CASE"):
        SourceError("x", reason=reason)

"""What a run tells while it goes on."""

from __future__ import annotations

import threading

import pytest

from weathervane.source._progress import Progress, announce, listening


def said(news: list[Progress]) -> list[str]:
    """The messages."""
    return [one.message for one in news]


def _announce_and_fail(heard: list[Progress]) -> None:
    with listening(heard.append):
        announce(Progress("one", "acme"))
        raise RuntimeError("ended")


def test_only_what_is_told_within_the_block_is_heard() -> None:
    """Before and after it, telling costs nothing and reaches nobody."""
    heard: list[Progress] = []
    announce(Progress("before", "acme"))
    with listening(heard.append):
        announce(Progress("within", "acme"))
    announce(Progress("after", "acme"))
    assert said(heard) == ["within"]


def test_the_innermost_listener_hears() -> None:
    """And the outer one again, once the inner block was left, by an error too."""
    outer: list[Progress] = []
    inner: list[Progress] = []
    with listening(outer.append):
        with pytest.raises(RuntimeError, match="ended"):
            _announce_and_fail(inner)
        announce(Progress("two", "acme"))
    assert (said(inner), said(outer)) == (["one"], ["two"])


def test_a_listener_hears_its_own_thread_only() -> None:
    """Two runs in one process do not hear each other."""
    heard: dict[str, list[Progress]] = {"acme": [], "bravo": []}
    together = threading.Barrier(2)

    def run(tenant: str) -> None:
        with listening(heard[tenant].append):
            together.wait(10)
            announce(Progress("news", tenant))
            together.wait(10)

    threads = [threading.Thread(target=run, args=(tenant,)) for tenant in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {tenant: [one.tenant for one in news] for tenant, news in heard.items()} == {
        "acme": ["acme"],
        "bravo": ["bravo"],
    }

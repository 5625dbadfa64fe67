"""Files behind signed links are fetched whole or not at all, and without credentials."""

import gzip
from pathlib import Path

import httpx
import pytest

from weathervane.source._errors import (
    ContractError,
    DeferredError,
    IncompleteError,
    SourceError,
    UnavailableError,
)
from weathervane.source._http.download import download
from weathervane.source._http.verdict import Fail, classify_by_status
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .vendor_stub import (
    CANARY,
    LIMITS,
    Script,
    VendorStub,
    answer,
    bomb,
    everything_said_by,
)


def fetch(stub: VendorStub, path: Path, **options: object) -> int:
    """Download from the stub."""
    usual = {"max_bytes": 1_000_000, "limits": LIMITS, "expected_origins": {stub.url}.__contains__}
    return download(f"{stub.url}/x.jsonl?sig={CANARY}", path, **{**usual, **options})  # type: ignore[arg-type]


def test_a_download_is_whole_and_sends_no_credentials(serve, tmp_path: Path) -> None:
    """The file of a bulk operation, gzip and all, from a host that must learn nothing."""
    lines = b'{"id": 1}\n' * 1000
    stub = serve(lambda _: answer(gzip.compress(lines), headers={"Content-Encoding": "gzip"}))
    target = tmp_path / "bulk.jsonl"

    assert fetch(stub, target) == len(lines)
    assert target.read_bytes() == lines
    assert set(stub.calls[0].headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert [p.name for p in tmp_path.iterdir()] == ["bulk.jsonl"]


GZIPPED = {"Content-Encoding": "gzip"}
NOT_WHOLE: dict[str, tuple[Script, type[SourceError], str, int]] = {
    "cut": (lambda _: answer(b"x" * 100, cut=1), IncompleteError, "cut", 3),
    "cut gzip": (lambda _: answer(gzip.compress(b"x")[:-3], headers=GZIPPED), IncompleteError, "early", 3),
    "no end": (lambda _: [b"HTTP/1.1 200 OK\r\n\r\nabc", b""], IncompleteError, "told from a cut", 3),
    "too big": (lambda _: answer(b"x" * 2_000_000), ContractError, "larger than 1,000,000", 1),
    "bomb": (lambda _: answer(bomb(), headers=GZIPPED), ContractError, "larger than 1,000,000", 1),
    "302": (lambda _: answer(status=302, headers={"Location": f"/?{CANARY}"}), ContractError, "redirects", 1),
    "403": (lambda _: answer(b"expired", 403), IncompleteError, "link was refused", 1),
    "404": (lambda _: answer(b"expired", 404), IncompleteError, "link was refused", 1),
    "206": (lambda _: answer(b"part", 206), IncompleteError, "link was refused", 1),
    "503": (lambda _: answer(b"", 503), UnavailableError, "unavailable", 3),
    "busy": (lambda _: answer(b"", 503, {"Retry-After": "900"}), DeferredError, "wait 900 s", 1),
    "silence": (lambda _: [b""], UnavailableError, "broke", 3),
}


@pytest.mark.parametrize("case", NOT_WHOLE)
def test_a_download_that_is_not_whole_leaves_no_file(serve, tmp_path: Path, case: str) -> None:
    """Whole or not at all: the old file stays, no part of the new one does, and the link is not told."""
    script, error, match, calls = NOT_WHOLE[case]
    stub = serve(script)
    target = tmp_path / "bulk.jsonl"
    target.write_text("old")

    with pytest.raises(error, match=match) as caught:
        fetch(stub, target)
    assert len(stub.calls) == calls
    assert CANARY not in everything_said_by(caught.value)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("bulk.jsonl", "old")]


def test_a_cut_download_is_begun_again(serve, tmp_path: Path) -> None:
    """The second try starts with an empty file."""
    stub = serve(lambda call: answer(b"0123456789", cut=5 if call.number == 1 else 0))

    assert fetch(stub, tmp_path / "f") == 10
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "expected", [None, lambda _: False, lambda link: link.startswith("https://")], ids=["any", "no", "tls"]
)
def test_a_download_link_elsewhere_is_not_followed(serve, tmp_path: Path, expected) -> None:
    """A vendor cannot make us call a host of its choice, nor anything in clear."""
    thief = serve(lambda _: answer(b"x"))

    with pytest.raises(ContractError, match=rf"unexpected place \(127\.0\.0\.1:{thief.port}\)"):
        fetch(thief, tmp_path / "f", expected_origins=expected)
    assert thief.connections == 0


def test_the_default_classifier_is_a_function_that_vendors_fall_back_to() -> None:
    """It needs no client: a response in, a verdict out."""
    verdict = classify_by_status(httpx.Response(401))

    assert isinstance(verdict, Fail)
    assert verdict.refresh

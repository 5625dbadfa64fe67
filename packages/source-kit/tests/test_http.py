"""Calls to a vendor over real sockets: nothing that it answers hurts us or loses data."""

import gzip
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from weathervane.source._errors import ConfigurationError, ContractError, IncompleteError, UnavailableError
from weathervane.source._http.client import vendor_client
from weathervane.source._http.paging import same_origin
from weathervane.source._http.transport import MAX_BODY, HttpLimits
from weathervane.source._http.verdict import Accept, decode_json
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .vendor_stub import (
    CANARY,
    Call,
    FixedAuth,
    answer,
    bomb,
    get,
    vendor_stub,
)

# --- answers that hurt --------------------------------------------------------------------------------------


def test_a_gzip_bomb_is_refused_at_the_bound(serve) -> None:
    """32 KiB that would become 32 MiB cost no more memory than the bound, and are not asked for again."""
    stub = serve(lambda _: answer(bomb(), headers={"Content-Encoding": "gzip"}))

    with pytest.raises(ContractError, match="larger than 1,000,000 bytes"):
        get(stub)
    assert len(stub.calls) == 1


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate", "gzip,identity"])
def test_an_encoding_that_was_not_asked_for_is_refused(serve, encoding: str) -> None:
    """Only one layer of gzip is asked for, so stacked and foreign encodings never reach a decoder."""
    stub = serve(lambda _: answer(bomb(2), headers={"Content-Encoding": encoding}))

    with pytest.raises(ContractError, match="Content-Encoding was not asked for"):
        get(stub)
    assert stub.calls[0].headers["accept-encoding"] == "gzip"


def test_gzip_is_read_in_all_its_members(serve) -> None:
    """A gzip body may have several members; all of them are the answer."""
    body = gzip.compress(b'{"rows": [1,') + gzip.compress(b" 2.50]}")
    stub = serve(lambda _: answer(body, headers={"Content-Encoding": "gzip"}))

    assert get(stub) == {"rows": [1, Decimal("2.50")]}


@pytest.mark.parametrize("damage", [lambda b: b[:-6], lambda b: b[:-8] + b"\0" * 8], ids=["cut", "wrong sum"])
def test_a_damaged_gzip_body_is_not_a_short_answer(serve, damage: Callable[[bytes], bytes]) -> None:
    """Where httpx takes a cut gzip body for a whole one, here it is incomplete, and asked for again."""
    body = damage(gzip.compress(b"[1]"))
    stub = serve(lambda _: answer(body, headers={"Content-Encoding": "gzip"}))

    with pytest.raises(IncompleteError, match="gzip stream"):
        get(stub)
    assert len(stub.calls) == 3


def test_a_header_may_hold_any_bytes(serve) -> None:
    """A name in Latin-1 or UTF-8 is no reason not to read the answer."""
    plain, value = b"".join(answer({"ok": 1})), b"caf\xe9 \xff \xc3\xa9"
    head = plain.replace(b"\r\n", b"\r\nX-Note: " + value + b"\r\n", 1)
    assert get(serve(lambda _: [head])) == {"ok": 1}


def test_a_cut_body_is_asked_for_again(serve) -> None:
    """A connection that ends within the body is a failure, even if what came would parse."""
    stub = serve(lambda call: answer(b"[1]  ", cut=2 if call.number == 1 else 0))

    assert get(stub) == [1]
    assert len(stub.calls) == 2


def test_a_body_that_is_always_cut_is_incomplete(serve) -> None:
    """Nothing of it is given to the caller."""
    stub = serve(lambda _: answer([1, 2, 3], cut=4))

    with pytest.raises(IncompleteError, match="cut"):
        get(stub)


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_vendor_that_drips_bytes_is_left_at_the_deadline(serve, part: str) -> None:
    """Every byte comes within the read timeout, so only a bound on the whole exchange ends it."""

    def script(call: Call) -> Iterator[bytes]:
        if part == "body":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\nX-Slow: "
        yield from stub.drip(b"1" * 500, pause=0.05)

    stub = serve(script)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="did not answer in time"):
        get(stub, limits=HttpLimits(read=2, exchange=0.4, attempts=1))
    assert 0.4 <= time.monotonic() - started < 10  # unbounded, it would take 25 s


def test_another_transport_has_its_body_bounded_too(serve) -> None:
    """A proxy needs httpx's own transport: the deadline then still ends a dripped body."""

    def script(_: Call) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
        yield from stub.drip(b"1" * 500, pause=0.05)

    stub = serve(script)
    limits = HttpLimits(read=2, exchange=0.3, attempts=1)
    with pytest.raises(UnavailableError, match="did not answer in time"):
        get(stub, limits=limits, transport=httpx.HTTPTransport())


@pytest.mark.parametrize(
    ("body", "error", "match"),
    [
        (b"[" * 50_000, ContractError, "deeper than 100"),
        (b"[" * 101 + b"]" * 101, ContractError, "deeper than 100"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, ContractError, "deeper than 100"),
        (b'{"spend": NaN}', UnavailableError, "not JSON"),
        (b'{"spend": -Infinity}', UnavailableError, "not JSON"),
        (b'{"spend": 1e999999999}', UnavailableError, "not JSON"),
        (b'{"spend": 1e99999999999999999999}', UnavailableError, "not JSON"),
        (b"[" + b"9" * 5000 + b"]", UnavailableError, "not JSON"),
        (b'{"a": 1', UnavailableError, "not JSON"),
        (b'{"a": "\xff"}', UnavailableError, "not JSON"),
        (b"", UnavailableError, "not JSON"),
        (b"<html>maintenance</html>", UnavailableError, r"not JSON \(HTTP 200, text/html, 24 bytes\)"),
    ],
)
def test_a_200_that_is_not_sound_json_is_an_error(serve, body: bytes, error: type, match: str) -> None:
    """HTTP 200 alone is no answer: depth, NaN, HTML and cut text never look like an empty page."""
    stub = serve(lambda _: answer(body, headers={"Content-Type": "text/html; charset=x"}))

    with pytest.raises(error, match=match):
        get(stub)
    assert len(stub.calls) == (3 if error.retriable else 1)


def test_depth_up_to_the_bound_is_fine(serve) -> None:
    """The bound is 100 levels, and 100 are accepted."""
    stub = serve(lambda _: answer(b"[" * 100 + b"]" * 100))

    assert str(get(stub)) == "[" * 100 + "]" * 100


def test_numbers_stay_exact(serve) -> None:
    """Money in JSON numbers and ids above 2**53 survive."""
    stub = serve(lambda _: answer(b'{"spend": 0.10, "id": 120210478963240123, "n": 2}'))

    document = get(stub)

    assert document == {"spend": Decimal("0.10"), "id": 120210478963240123, "n": 2}
    assert str(document["spend"]) == "0.10"  # type: ignore[index]


def test_an_answer_is_decoded_once(serve) -> None:
    """Classifier and caller share the work."""
    stub = serve(lambda _: answer({"a": 1}))

    with vendor_client(stub.url) as client:
        response = client.get("/")
    assert decode_json(response) is decode_json(response)


def test_a_cursor_too_long_for_an_address_is_a_broken_contract(serve) -> None:
    """However the call is made; httpx refuses it before anything is sent, and would pass for a fault of ours."""
    stub = serve(lambda _: answer({}))

    with vendor_client(stub.url) as client:
        for address, params in [
            ("/", {"after": "q" * 70_000}),
            ("/" + "q" * 70_000, {}),
            ("http://x:y/", {}),
        ]:
            with pytest.raises(ContractError, match="UNSENDABLE_URL") as caught:
                client.get(address, params=params)
            assert "qqq" not in str(caught.value)
            with (
                pytest.raises(ContractError, match="UNSENDABLE_URL"),
                client.stream("GET", address, params=params),
            ):
                pass


def test_a_classifier_that_recurses_too_deeply_meets_an_unexpected_shape(serve) -> None:
    """As any other shape that nobody thought of."""
    stub = serve(lambda _: answer({}))

    def classify(response: httpx.Response) -> Accept:
        return classify(response)

    with (
        vendor_client(stub.url, classify=classify) as client,
        pytest.raises(ContractError, match="RecursionError"),
    ):
        client.get("/")


def test_an_endless_body_is_refused_at_the_bound(serve) -> None:
    """A chunked answer without end stops at the bound, not at the memory's."""

    def script(_: Call) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while not stub.stopping.is_set():
            yield b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    stub = serve(script)
    with pytest.raises(ContractError, match="larger than"):
        get(stub)


def test_a_request_may_have_a_bound_of_its_own(serve) -> None:
    """Below the client's, for an answer that can be asked for in parts; never above it."""
    stub = serve(lambda _: answer({"a": "x" * 1_000}))
    with vendor_client(stub.url, limits=HttpLimits(max_body=2_000)) as client:
        assert client.get("/", extensions={MAX_BODY: 5_000}).status_code == 200
        with pytest.raises(ContractError, match="larger than 500 bytes") as caught:
            client.get("/", extensions={MAX_BODY: 500})
    assert caught.value.reason == "BODY_TOO_LARGE"
    with (
        vendor_client(stub.url, limits=HttpLimits(max_body=500)) as client,
        pytest.raises(ContractError, match="larger than 500 bytes"),
    ):
        client.get("/", extensions={MAX_BODY: 5_000})


# --- places that requests may go to -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_nothing_elsewhere(serve, status: int) -> None:
    """A redirect to a second port: nothing arrives there, and the error names host and port only."""
    thief = serve(lambda _: answer())
    stub = serve(lambda _: answer(status=status, headers={"Location": f"{thief.url}/?t={CANARY}"}))

    with pytest.raises(ContractError, match=rf"redirects to 127\.0\.0\.1:{thief.port}; not") as caught:
        get(stub, auth=FixedAuth())
    with vendor_client(stub.url) as client, pytest.raises(ContractError, match="not followed"):
        client.get("/", follow_redirects=True)
    assert (thief.calls, thief.connections) == ([], 0)
    assert CANARY not in repr(caught.value)


def test_a_request_to_another_origin_never_leaves(serve) -> None:
    """To an absolute URL httpx would send every client header; the transport refuses first."""
    thief = serve(lambda _: answer())
    stub = serve(lambda _: answer({}))

    with vendor_client(stub.url, auth=FixedAuth(), headers={"X-Token": CANARY}) as client:
        for url in (f"{thief.url}/next?token={CANARY}", f"https://127.0.0.1:{stub.port}/", "ftp://x/"):
            told = rf"refused to send a request to .*: this client talks to 127\.0\.0\.1:{stub.port} only"
            with pytest.raises(ConfigurationError, match=told) as caught:
                client.get(url)
            assert CANARY not in repr(caught.value)
        assert decode_json(client.get(f"{stub.url}/next")) == {}
    assert (thief.calls, thief.connections) == ([], 0)


def test_a_next_link_elsewhere_is_refused_before_any_request(serve) -> None:
    """`links.next` on a second port: no request arrives there."""
    thief = serve(lambda _: answer())
    stub = serve(lambda _: answer({"next": f"{thief.url}/page2?cursor={CANARY}"}))

    with vendor_client(stub.url) as client:
        link = decode_json(client.get("/"))["next"]  # type: ignore[index]
        with pytest.raises(ContractError, match=r"leads to 127\.0\.0\.1") as caught:
            client.get(same_origin(link, stub.url))
    assert CANARY not in repr(caught.value)
    assert thief.connections == 0


@pytest.mark.parametrize(
    "url",
    ["", "acme.example", "ftp://x/", "https://u:p@x/", "https://x/?a=1", "https://x/#a", "https://x:y/"],
)
def test_a_base_url_that_is_no_origin_is_refused(url: str) -> None:
    """Settings are checked before anything is sent."""
    with pytest.raises(ConfigurationError, match="base URL must be"):
        vendor_client(url)


def test_plain_http_is_for_loopback_unless_asked_for() -> None:
    """Credentials do not cross a network in clear by accident."""
    with pytest.raises(ConfigurationError, match="in clear"):
        vendor_client("http://sandbox.internal/")
    vendor_client("http://sandbox.internal/", allow_plain_http=True).close()


def test_cookies_are_not_kept(serve) -> None:
    """One call's answer cannot colour the next call."""
    stub = serve(lambda _: answer({}, headers={"Set-Cookie": "sid=1; Path=/"}))

    with vendor_client(stub.url) as client:
        client.get("/")
        client.get("/")
    assert "cookie" not in stub.calls[1].headers


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "stub.pem"
    pem = Encoding.PEM
    path.write_bytes(key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(pem))
    return path


def test_a_certificate_that_is_not_trusted_ends_the_call_at_once(certificate: Path) -> None:
    """Nobody gets a token over it, and no retry makes it better."""
    with vendor_stub(lambda _: answer({}), certificate=certificate) as stub:
        with pytest.raises(ConfigurationError, match="certificate is not trusted"):
            get(stub, auth=FixedAuth())
        assert (stub.connections, stub.calls) == (1, [])


def test_tls_is_bounded_like_the_rest(certificate: Path) -> None:
    """With the certificate trusted: answers come, and a dripped one ends at the deadline."""
    tls = ssl.create_default_context(cafile=str(certificate))

    def script(call: Call) -> Iterator[bytes]:
        return stub.drip(b"HTTP/1.1 200 OK\r\n" * 50, 0.05) if call.target == "/drip" else iter(answer({}))

    with vendor_stub(script, certificate=certificate) as stub:
        assert get(stub, tls=tls) == {}
        with pytest.raises(UnavailableError, match="did not answer in time"):
            get(stub, "/drip", tls=tls, limits=HttpLimits(exchange=0.4, attempts=1))

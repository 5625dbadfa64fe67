"""Tokens are refreshed once, by one thread, and never quoted."""

import threading

import pytest

from weathervane.source._errors import ConfigurationError, CredentialsError
from weathervane.source._http.auth import RefreshingAuth
from weathervane.source._http.client import vendor_client
from weathervane.source._http.verdict import decode_json
from weathervane.source.testing.fixtures import no_waiting as no_waiting

from .vendor_stub import (
    CANARY,
    Call,
    Script,
    answer,
    everything_said_by,
    get,
)


class Tokens(RefreshingAuth):
    """Tokens t1, t2, …; counts refreshes, and notices when two overlap."""

    def __init__(self, held: str | None = "t0", patience: float = 0.0) -> None:
        super().__init__()
        self.held = held
        self.refreshes = 0
        self.patience = patience
        self.busy = threading.Lock()
        self.overlapped = threading.Event()

    def token(self) -> str | None:
        """Give the one held."""
        return self.held

    def refresh(self) -> str:
        """Make the next one."""
        if not self.busy.acquire(blocking=False):
            self.overlapped.set()
            return "overlapped"
        try:
            self.overlapped.wait(self.patience)  # give a second one the time to come in, if it can
            self.refreshes += 1
            self.held = f"t{self.refreshes}"
            return self.held
        finally:
            self.busy.release()


def accepting(*tokens: str) -> Script:
    """A vendor that takes these tokens only."""
    allowed = {f"Bearer {token}" for token in tokens}
    return lambda call: answer({}, 200 if call.headers.get("authorization") in allowed else 401)


def test_a_refused_token_is_refreshed_once_and_the_request_replayed(serve) -> None:
    """The caller sees only the good answer."""
    auth = Tokens()
    stub = serve(accepting("t1"))

    assert get(stub, auth=auth) == {}
    assert [c.headers["authorization"] for c in stub.calls] == ["Bearer t0", "Bearer t1"]
    assert auth.refreshes == 1


def test_a_second_refusal_fails(serve) -> None:
    """One refresh, one replay, then the credentials are to blame."""
    auth = Tokens()
    stub = serve(accepting())

    with pytest.raises(CredentialsError, match="refuses the access token"):
        get(stub, auth=auth)
    assert (len(stub.calls), auth.refreshes) == (2, 1)


def test_the_first_token_is_fetched_when_none_is_held(serve) -> None:
    """Client credentials: ask first, and a refusal of the new token still gets its one refresh."""
    auth = Tokens(held=None)
    stub = serve(accepting("t1"))

    assert get(stub, auth=auth) == {}
    assert (len(stub.calls), auth.refreshes) == (1, 1)


def test_many_threads_cause_one_refresh(serve) -> None:
    """Twelve requests are refused at once: one refresh, twelve good answers."""
    auth = Tokens(patience=0.2)
    refused = threading.Barrier(12, timeout=10)

    def script(call: Call) -> list[bytes]:
        if call.headers["authorization"] == "Bearer t0":
            refused.wait()  # nobody refreshes before everybody was refused
            return answer({}, 401)
        return answer({})

    stub = serve(script)
    answers: list[object] = []
    # The pool of one wire holds ten connections, so two clients share the auth.
    with vendor_client(stub.url, auth=auth) as client, vendor_client(stub.url, auth=auth) as other:
        threads = [
            threading.Thread(target=lambda c=c: answers.append(decode_json(c.get("/"))))
            for c in [client, other] * 6
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [{}] * 12
    assert auth.refreshes == 1
    assert not auth.overlapped.is_set()


def test_retries_below_the_auth_cost_no_refresh(serve) -> None:
    """503, 401, 503, 200: two retries, one refresh, and the allowance of attempts is per sending."""
    statuses = [503, 401, 503, 200]
    auth = Tokens()
    stub = serve(lambda call: answer({}, statuses[call.number - 1]))

    assert get(stub, auth=auth) == {}
    assert (len(stub.calls), auth.refreshes) == (4, 1)


@pytest.mark.parametrize("token", ["", *(CANARY + bad for bad in ("\r\nX-Evil: 1", "é", " x", "\x00"))])
def test_a_token_that_no_header_can_carry_is_not_quoted(serve, token: str) -> None:
    """h11 and the header codec would put it into their errors."""
    stub = serve(lambda _: answer({}))

    with pytest.raises(CredentialsError, match="no HTTP header can carry") as caught:
        get(stub, auth=Tokens(held=token))
    assert CANARY not in everything_said_by(caught.value)
    assert stub.connections == 0


@pytest.mark.parametrize("bad", ["é", "\r\nX-Evil: 1", "\x00"])
def test_a_key_in_a_client_header_is_not_quoted_either(bad: str) -> None:
    """A mistyped API key is refused by its header's name."""
    with pytest.raises(ConfigurationError, match="header X-Key") as caught:
        vendor_client("https://a.example/", headers={"X-Key": CANARY + bad})
    assert CANARY not in everything_said_by(caught.value)

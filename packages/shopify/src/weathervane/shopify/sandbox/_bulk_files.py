"""The files that bulk operations leave, behind signed URLs that expire (Shopify docs, bulk operations)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from weathervane.source.sandbox import Faults

__all__ = ["FILES_KEPT", "BulkFiles"]

FILES_KEPT = timedelta(days=7)
"""How long a file's URL works after the operation has ended."""


class BulkFiles:
    """A folder of files, each reachable under its signed URL only.

    Attributes:
        storage_url: base URL of the storage host.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._folder = tempfile.TemporaryDirectory(prefix="shopify-sandbox-", ignore_cleanup_errors=True)
        self._secret = secrets.token_bytes()
        self.storage_url = "http://127.0.0.1:0"

    def close(self) -> None:
        """Delete the files."""
        self._folder.cleanup()

    def path(self, name: str) -> Path:
        """Return where a file is kept."""
        return Path(self._folder.name) / name

    def url(self, name: str, now: datetime) -> str:
        """Return the signed URL of a file, which works for seven days.

        It says under which name and type the storage host is to serve the file, as the vendor's links do: clients
        take the name from there.
        """
        expires = str(int((now + FILES_KEPT).timestamp()))
        asked = {
            "Expires": expires,
            "sig": self._signature(name, expires),
            "response-content-disposition": (
                f"attachment; filename=\"bulk-{name}\"; filename*=UTF-8''bulk-{name}"
            ),
            "response-content-type": "application/jsonl",
        }
        return f"{self.storage_url}/bulk/{name}?{urlencode(asked)}"

    def answer(self, name: str, query: str, now: datetime) -> tuple[int, bytes, dict[str, str]]:
        """Return what the storage host answers for a file: a status, a body, and headers that the link asks for."""
        given = {key: values[0] for key, values in parse_qs(query).items()}
        signature = self._signature(name, given.get("Expires", ""))
        if not hmac.compare_digest(signature.encode(), given.get("sig", "").encode()):
            return 403, _xml("SignatureDoesNotMatch", "The request signature does not match."), {}
        if now.timestamp() >= int(given["Expires"]) or self._faults.take("bulk_url_expired"):
            return 400, _xml("ExpiredToken", "The provided token has expired."), {}
        if not self.path(name).is_file():
            return 404, _xml("NoSuchKey", "The specified key does not exist."), {}
        disposition = given.get("response-content-disposition")
        headers = {} if disposition is None else {"Content-Disposition": disposition}
        return 200, self._spoiled(self.path(name).read_bytes()), headers

    def _spoiled(self, body: bytes) -> bytes:
        fewer = self._faults.take("bulk_fewer_lines")
        if fewer is not None:
            lines = body.splitlines(keepends=True)
            body = b"".join(lines[: max(0, len(lines) - int(fewer.args.get("drop", 1)))])
        if self._faults.take("bulk_repeated"):
            lines = body.splitlines(keepends=True)
            body = b"".join([*lines[:-1], *lines[:1]])
        put = self._faults.take("bulk_line")
        if put is not None:
            body = (
                str(put.args.get("line", "{}")).encode("utf-8", "surrogateescape")
                + b"\n"
                + body.partition(b"\n")[2]
            )
        if self._faults.take("bulk_truncated"):
            cut = len(body) * 6 // 10
            body = body[: cut - 1 if body[cut - 1 : cut] == b"\n" else cut]
        return body

    def _signature(self, name: str, expires: str) -> str:
        return hmac.new(self._secret, f"{name} {expires}".encode(), hashlib.sha256).hexdigest()


def _xml(code: str, message: str) -> bytes:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<?xml version='1.0' encoding='UTF-8'?>{error}".encode()

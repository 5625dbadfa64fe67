"""An S3 server for tests, with the requests that object_store makes, and S3's error responses.

By the S3 API reference: ListObjectsV2, GetObject, HeadObject, PutObject (with If-None-Match), DeleteObject,
DeleteObjects and multipart uploads of one bucket. Signatures are not checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

BUCKET = "lake"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one piece, at once: in two it waits for the other end's acknowledgement, 40 ms each time.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Any

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length") or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>canary</Message></Error>".encode())

    def _handle(self) -> None:
        url = urlsplit(self.path)
        _, bucket, *rest = unquote(url.path).split("/", 2)
        key, query = (rest or [""])[0], parse_qs(url.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        store = self.server.store
        if url.path == "/hang":
            return self._answer(200, json.dumps(store.hang(*json.loads(body))).encode())
        store.wait(f"{self.command} {unquote(self.path)} {body.decode(errors='replace')}")
        with store.lock:
            if url.path == "/":
                store.refusing = tuple(json.loads(body))
                return self._answer(200)
            refused = store.refuse(self.command)
            if refused is None and bucket != BUCKET:
                refused = (404, "NoSuchBucket")
            if refused is not None:
                return self._refuse(*refused)
            if self.command == "GET" and "list-type" in query:
                return self._list(store.objects, {name: value[0] for name, value in query.items()})
            if self.command == "POST":
                return self._post(store, key, query, body)
            if self.command == "PUT":
                return self._put(store, key, query, body)
            if self.command == "DELETE":
                store.objects.pop(key, None)
                return self._answer(204)
            return self._get(store.objects, key)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

    def _get(self, objects: dict[str, Any], key: str) -> None:
        if key not in objects:
            return self._refuse(404, "NoSuchKey")
        data, etag, made = objects[key]
        headers = {"ETag": etag, "Last_Modified": format_datetime(made, usegmt=True)}
        if self.command == "HEAD":
            return self._answer(200, length=str(len(data)), **headers)
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range") or ""):
            first = int(wanted[1])
            last = min(int(wanted[2] or len(data)), len(data) - 1)
            return self._answer(
                206,
                data[first : last + 1],
                Content_Range=f"bytes {first}-{last}/{len(data)}",
                **headers,
            )
        return self._answer(200, data, **headers)

    def _put(self, store: Any, key: str, query: dict[str, list[str]], body: bytes) -> None:
        if "uploadId" in query:
            store.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
            return self._answer(200, ETag='"part"')
        if self.headers.get("if-none-match") == "*" and key in store.objects:
            return self._refuse(412, "PreconditionFailed")
        self._answer(200, ETag=store.keep(key, body))
        return None

    def _post(self, store: Any, key: str, query: dict[str, list[str]], body: bytes) -> None:
        if "delete" in query:
            keys = re.findall(r"<Key>.*?</Key>", body.decode())
            for found in keys:
                store.objects.pop(unescape(found[5:-6]), None)
            deleted = "".join(f"<Deleted>{found}</Deleted>" for found in keys)
            return self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())
        if "uploads" in query:
            name = uuid.uuid4().hex
            store.uploads[name] = {}
            answer = (
                f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            )
            return self._answer(200, answer.encode())
        parts = store.uploads.pop(query["uploadId"][0])
        etag = store.keep(key, b"".join(parts[number] for number in sorted(parts)))
        answer = f"<CompleteMultipartUploadResult><ETag>{escape(etag)}</ETag></CompleteMultipartUploadResult>"
        return self._answer(200, answer.encode())

    def _list(self, objects: dict[str, Any], query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        found, folders = [], set()
        for key in sorted(objects):
            if not key.startswith(prefix) or key <= query.get("start-after", ""):
                continue
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            data, etag, made = objects[key]
            found.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{made:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                f"<ETag>{escape(etag)}</ETag><Size>{len(data)}</Size></Contents>"
            )
        found += [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders]
        self._answer(
            200,
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>".encode(),
        )


class _Objects:
    """One bucket in memory."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, str, datetime]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.refusing: tuple[list[str], int, str] = ([], 0, "")
        self.hanging, self.go_on, self.hung = "", threading.Event(), 0

    def hang(self, pattern: str) -> int:
        """Lets those that hang go on, and from now on hang what matches; an empty pattern only tells how many do."""
        if pattern:
            self.go_on.set()
            self.hanging, self.go_on, self.hung = pattern, threading.Event(), 0
        return self.hung

    def wait(self, request: str) -> None:
        """Blocks while the request is to hang."""
        go_on = self.go_on
        if self.hanging and re.search(self.hanging, request, re.DOTALL):
            self.hung += 1
            go_on.wait()

    def refuse(self, method: str) -> tuple[int, str] | None:
        """Status and S3's code, or None to let it pass."""
        methods, status, code = self.refusing
        return (status, code) if method in methods else None

    def keep(self, key: str, data: bytes) -> str:
        """Stores an object and returns its ETag."""
        etag = f'"{uuid.uuid4().hex}"'
        self.objects[key] = (data, etag, datetime.now(UTC))
        return etag


class PretendS3:
    """A client for tests, which controls the server.

    Args:
        address: The server's address, `http://host:port`.
    """

    def __init__(self, address: str) -> None:
        self.options = {
            "aws_endpoint": address,
            "aws_allow_http": "true",
            "aws_region": "eu-central-1",
            "aws_access_key_id": "canary-id",
            "aws_secret_access_key": "canary-secret",
            "max_retries": "0",
        }
        """For `LakeSettings.storage_options`."""
        self._connection = HTTPConnection(urlsplit(address).netloc)

    def refuse(self, status: int, code: str, *methods: str) -> None:
        """Refuses requests with these methods (none: all) from now on."""
        self._control([list(methods or METHODS), status, code])

    def allow(self) -> None:
        """Accepts all requests again."""
        self._control([[], 0, ""])

    def hang(self, pattern: str) -> None:
        """Lets all requests that match `METHOD /path body` hang from now on; those that hung before continue."""
        self._ask("POST", "/hang", json.dumps([pattern]).encode())

    def hung(self) -> int:
        """The number of requests that hang now."""
        return int(self._ask("POST", "/hang", b'[""]'))

    def clear(self) -> None:
        """Empties the bucket and accepts all requests again."""
        self.hang("^nothing")
        self.allow()
        for key in self.names():
            self.delete(key)

    def close(self) -> None:
        """Closes the test's own connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return content

    def _control(self, refusing: list[object]) -> None:
        self._ask("POST", "/", json.dumps(refusing).encode())

    def get(self, key: str) -> bytes:
        """The object's bytes."""
        return self._ask("GET", f"/{BUCKET}/{key}")

    def put(self, key: str, data: bytes) -> None:
        """Stores an object, and replaces an existing one."""
        self._ask("PUT", f"/{BUCKET}/{key}", data)

    def delete(self, key: str) -> None:
        """Deletes an object."""
        self._ask("DELETE", f"/{BUCKET}/{key}")

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects, sorted."""
        answer = self._ask("GET", f"/{BUCKET}?list-type=2&prefix={quote(prefix)}")
        return re.findall(r"<Key>(.*?)</Key>", answer.decode())


@contextmanager
def pretend_s3() -> Iterator[PretendS3]:
    """Starts the server on a free port, in its own process, because deltalake 1.6.6 holds the GIL during requests."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            store = PretendS3(process.stdout.readline().strip())
            with closing(store):
                yield store
        finally:
            process.kill()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    vars(server)["store"] = _Objects()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()

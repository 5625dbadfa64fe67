"""The control routes that every pretend vendor serves, as the demo needs them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any


def truth(url: str) -> Iterator[dict[str, Any]]:
    """The rows of a truth route, one JSON object a line."""
    with urllib.request.urlopen(url, timeout=120) as response:
        yield from (json.loads(line) for line in response)


def post(url: str, body: object) -> None:
    """Tells the vendor something: its clock, a fault."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120):
        pass

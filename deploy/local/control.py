"""The control routes that every pretend vendor serves, as the demo needs them."""

from __future__ import annotations

import json
import urllib.request


def ask(url: str) -> bytes:
    """What a route answers."""
    with urllib.request.urlopen(url, timeout=120) as response:
        found: bytes = response.read()
    return found


def post(url: str, body: object) -> None:
    """Tells the vendor something: its clock, a fault."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120):
        pass

"""The control routes that every pretend vendor serves, as the demo needs them, and what it says of a difference."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Collection, Iterator
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


def difference(
    table: str, missing: Collection[Any], extra: Collection[Any], changed: Collection[Any], twice: int
) -> Iterator[str]:
    """One line when a table is not what its vendor says: keys that it lacks, has too many, or holds otherwise, and how
    many rows share a key with another.
    """
    if missing or extra or changed or twice:
        yield (
            f"{table}: {len(missing)} rows are missing, {len(extra) + twice} too many, {len(changed)} differ;"
            f" e.g. {sorted([*missing, *extra, *changed])[:3]}"
        )

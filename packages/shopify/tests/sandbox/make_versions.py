"""Writes `schema/older.json.gz`: what the older versions of the Admin schema have otherwise than the newest.

Run it with the folder `dist/data` of the npm package `@shopify/dev-mcp`, which holds an introspection result of each
version: `python make_versions.py package/dist/data`. Descriptions are left out: a query cannot meet them.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from weathervane.shopify.sandbox._admin_schema import MEMBERS, SUPPORTED

OLDER = Path(__file__).parents[2] / "src/weathervane/shopify/sandbox/schema/older.json.gz"


def types_of(data: Path, version: str) -> dict[str, dict[str, Any]]:
    """The types of a version's introspection result by name, without descriptions."""
    body = json.loads(gzip.decompress((data / f"admin_{version}.json.gz").read_bytes()))
    return {kind["name"]: _bare(kind) for kind in body["data"]["__schema"]["types"]}


def differences(older: dict[str, dict[str, Any]], newest: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What `_as_of` needs to make the older types of the newest ones."""
    changed = {}
    for name in sorted(older.keys() & newest.keys()):
        difference = _difference(older[name], newest[name])
        if difference:
            changed[name] = difference
    return {
        "absent": sorted(newest.keys() - older.keys()),
        "types": [older[name] for name in sorted(older.keys() - newest.keys())],
        "changed": changed,
    }


def _difference(older: dict[str, Any], newest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: older.get(name)
        for name in sorted({*older, *newest} - {*MEMBERS})
        if older.get(name) != newest.get(name)
    }
    for name in MEMBERS:
        before, now = ({one["name"]: one for one in kind.get(name) or ()} for kind in (older, newest))
        absent = sorted(now.keys() - before.keys())
        held = [one for key, one in sorted(before.items()) if one != now.get(key)]
        if absent or held:
            found[name] = {"absent": absent, "held": held}
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if name != "description"}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    newest = types_of(folder, SUPPORTED[-1])
    found = {version: differences(types_of(folder, version), newest) for version in SUPPORTED[:-1]}
    text = json.dumps(found, separators=(",", ":"), sort_keys=True).encode()
    OLDER.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{OLDER}: {OLDER.stat().st_size:,} bytes")

"""Makes the sandbox's `fields.json.gz` from the protos of the official google-ads package: `python make_fields.py`.

One catalogue for all versions that google-ads ships: which GAQL fields there are, of which type, in which versions.
"""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path
from typing import Any

VERSIONS = ("v23", "v24", "v25", "v26")
_TYPES = {1: "DOUBLE", 2: "FLOAT", 3: "INT64", 5: "INT32", 8: "BOOLEAN", 9: "STRING", 12: "BYTES"}


def _walk(
    message: Any,
    prefix: str,
    version: str,
    fields: dict[str, Any],
    enums: dict[str, Any],
    path: tuple[str, ...],
) -> None:
    for field in message.fields:
        name = f"{prefix}.{field.name.rstrip('_')}"
        repeated = field.is_repeated
        if field.enum_type is not None:
            kind = "ENUM:" + field.enum_type.containing_type.name
            known = enums.setdefault(field.enum_type.containing_type.name, {})
            for value in field.enum_type.values:
                if version[-1] not in known.setdefault(value.name, ""):
                    known[value.name] += version[-1]
        elif field.message_type is not None:
            # A message is a field itself, and each of its parts is one, down to where it would contain itself.
            nested = field.message_type.full_name
            kind = "MESSAGE" if repeated or field.message_type.fields else "EMPTY"
            if not (repeated or nested.startswith("google.protobuf.") or nested in path or len(path) >= 5):
                _walk(field.message_type, name, version, fields, enums, (*path, nested))
        else:
            kind = _TYPES[field.type]
        entry = fields.setdefault(name, [kind + ("[]" if repeated else ""), ""])
        entry[1] += version[-1]


def catalogue() -> bytes:
    """The catalogue as JSON."""
    fields: dict[str, Any] = {}
    enums: dict[str, Any] = {}
    for version in VERSIONS:
        service = importlib.import_module(f"google.ads.googleads.{version}.services.types.google_ads_service")
        row = service.GoogleAdsRow.pb().DESCRIPTOR
        for resource in row.fields:
            path = (resource.message_type.full_name,)
            _walk(resource.message_type, resource.name, version, fields, enums, path)
    made = {"versions": VERSIONS, "fields": fields, "enums": enums}
    return json.dumps(made, sort_keys=True, separators=(",", ":")).encode()


if __name__ == "__main__":
    target = Path(__file__).parents[2] / "src/weathervane/google_ads/sandbox/schema/fields.json.gz"
    target.write_bytes(gzip.compress(catalogue(), 9, mtime=0))

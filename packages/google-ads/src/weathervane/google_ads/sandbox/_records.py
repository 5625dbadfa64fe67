"""Loading accounts from files of API-shaped rows, so that anyone's own export runs through the whole system.

A line is one row as `search` or `searchStream` answers it: `{"customer": {...}, "campaign": {...}, "metrics": {...},
"segments": {"date": "2026-11-20"}}`. It belongs to the finest resource that it has: an ad (`adGroupAd`), an ad group, a
campaign, an account. A row with metrics states that one's figures of a day; one without states its attributes. Rows of
`customerClient` make the tree of accounts, rows of `conversionAction` its conversion windows. A row of any other
resource says which by `"__from": "keyword_view"`. Of two lines about the same thing the later one counts.

A whole answer may stand for its rows, as it was saved: `{"results": [...], "fieldMask": ...}`, or the array of such
chunks that searchStream answers; on one line or, as Google prints it, on many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from weathervane.google_ads.sandbox._beside import LEVELS, beside
from weathervane.google_ads.sandbox._fields import enum_values, field, is_resource, parts
from weathervane.google_ads.sandbox._traffic import Fact
from weathervane.google_ads.sandbox._world import Account, Node, Values, World
from weathervane.source.sandbox import JSON_DECODER

__all__ = ["RecordsError", "load"]

_VERSION = "v26"
_NUMBER = re.compile(r"customers/(\d{10})(?:/|$)")
_BEGIN = re.compile(r"\S")
_ANSWER = frozenset({"results", "fieldMask", "summaryRow", "queryResourceConsumption", "error"})
"""Members of an answer that no row has."""
_KEYS = {"campaign": "campaign.id", "ad_group": "ad_group.id", "ad_group_ad": "ad_group_ad.ad.id"}


class RecordsError(ValueError):
    """A file of records cannot be loaded; the message is one line that names file and line."""


def load(world: World, paths: Iterable[Path]) -> int:
    """Load files into a world; return how many rows they held.

    Raises:
        RecordsError: a file cannot be read, or a line is no such row.
    """
    count = 0
    for path in paths:
        try:
            text = path.read_text("utf-8-sig")
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise RecordsError(f"{path}: not UTF-8: {error}") from None
        for number, value in _documents(text, path):
            where = f"{path}:{number}"
            for record in _records(value, where):
                _load_row(world, record, where)
                count += 1
    below = {client for account in world.accounts.values() for client in account.clients}
    world.accessible = [number for number in world.accounts if number not in below]
    return count


def _documents(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """Every JSON value of a file with the line on which it begins: one a line, or one over many lines."""
    at, line = 0, 1
    while match := _BEGIN.search(text, at):
        line += text.count("\n", at, match.start())
        try:
            value, end = JSON_DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError) as error:
            raise RecordsError(f"{path}:{line}: not JSON: {error}") from None
        yield line, value
        line += text.count("\n", match.start(), end)
        at = end


def _records(value: Any, where: str) -> Iterator[dict[str, Any]]:
    """The rows of a value: itself, or those of the answer that it is."""
    answers = value if isinstance(value, list) else [value]
    for answer in answers:
        if not isinstance(answer, dict) or (answers is value and not answer.keys() & _ANSWER):
            raise RecordsError(
                f"{where}: a row must be a JSON object, or an answer of search or searchStream"
            )
        if not answer.keys() & _ANSWER:
            yield answer
            continue
        rows = answer.get("results", [])
        if "error" in answer or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise RecordsError(f"{where}: this answer holds an error, or results that are no list of rows")
        stated = {"__from": answer["__from"]} if "__from" in answer else {}
        yield from ({**stated, **row} for row in rows)


def _load_row(world: World, record: dict[str, Any], where: str) -> None:
    stated = record.pop("__from", None)
    row = dict(_flat(record, "", where))
    account = world.add(_customer(row, where), {k: v for k, v in row.items() if k.startswith("customer.")})
    resources = {name.partition(".")[0] for name in row}
    if stated is not None and stated not in LEVELS:
        if not is_resource(str(stated), _VERSION):
            raise RecordsError(f"{where}: __from names no resource: {stated!r}")
        account.others.setdefault(stated, []).append(row)
    elif "customer_client" in resources:
        _client(world, account, row, where)
    elif "conversion_action" in resources:
        account.actions[:] = [one for one in account.actions if not _same_action(one, row)]
        action = {k: v for k, v in row.items() if k.startswith("conversion_action.")}
        name = f"customers/{account.id}/conversionActions/{row.get('conversion_action.id')}"
        account.actions.append({"conversion_action.resource_name": name, **action})
    else:
        foreign = resources - {*LEVELS, "metrics", "segments"} - beside(_finest(row), _VERSION)
        if foreign:
            raise RecordsError(
                f"{where}: say by __from of which resource this row with {sorted(foreign)[0]} is"
            )
        _figures(_node(account, row, where), row, where)


def _flat(value: dict[str, Any], prefix: str, where: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if "_" in name:
            raise RecordsError(
                f"{where}: rows of the REST API are camelCase, so {name!r} is none of its members"
            )
        path = prefix + re.sub(r"(?=[A-Z])", "_", name).lower()
        known = field(path, _VERSION)
        # A message without anything in it says all the same that it is there: `"manualCpm": {}`.
        whole = known is not None and (known.repeated or inner == {} or not parts(path, _VERSION))
        if isinstance(inner, dict) and not whole:
            yield from _flat(inner, f"{path}.", where)
        elif known is None:
            raise RecordsError(f"{where}: {_VERSION} has no field {path}")
        else:
            try:
                yield path, [_typed(path, one) for one in inner] if known.repeated else _typed(path, inner)
            except (TypeError, ValueError):
                raise RecordsError(
                    f"{where}: {path} is {known.data_type}, not {json.dumps(inner)[:60]}"
                ) from None


def _typed(name: str, value: Any) -> Any:
    known = field(name, _VERSION)
    assert known is not None
    if known.empty and value != {}:
        raise ValueError
    if known.kind in ("INT64", "INT32"):
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    if known.kind == "DOUBLE":
        return float(value)
    message: Any = dict if known.repeated or parts(name, _VERSION) else object
    kinds: Any = {"BOOLEAN": bool, "MESSAGE": message}.get(known.kind, str)
    if not isinstance(value, kinds) or (known.enum and value not in enum_values(known.enum, _VERSION)):
        raise ValueError
    if name == "segments.date":
        date.fromisoformat(value)
    return value


def _customer(row: Values, where: str) -> str:
    if row.get("customer.id") is not None:
        return f"{row['customer.id']:010d}"
    for name, value in row.items():
        if name.endswith("resource_name") and (match := _NUMBER.match(value)):
            return match[1]
    raise RecordsError(f"{where}: a row needs customer.id, or a resourceName that begins with customers/")


def _client(world: World, manager: Account, row: Values, where: str) -> None:
    if row.get("customer_client.id") is None:
        raise RecordsError(f"{where}: a customerClient needs its id")
    number = f"{row['customer_client.id']:010d}"
    names = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status", "test_account")
    given = {name: row.get(f"customer_client.{name}") for name in names}
    world.add(number, {f"customer.{name}": value for name, value in given.items() if value is not None})
    if number == manager.id:
        manager.node.values["customer.manager"] = bool(row.get("customer_client.manager", True))
    elif number not in manager.clients:
        manager.clients.append(number)
        manager.node.values["customer.manager"] = True


def _same_action(one: Values, other: Values) -> bool:
    return one.get("conversion_action.id") == other.get("conversion_action.id")


def _node(account: Account, row: Values, where: str) -> Node:
    finest = _finest(row)
    node = account.node
    ids: list[str] = []
    for level in LEVELS[1 : LEVELS.index(finest) + 1]:
        number = row.get(_KEYS[level], _last(row.get(f"{level}.resource_name")))
        if number is None:
            raise RecordsError(f"{where}: a row of {finest} needs {_KEYS[level]}")
        key = f"{ids[-1]}~{number}" if level == "ad_group_ad" else str(number)
        ids.append(str(number))
        values = {name: value for name, value in row.items() if name.startswith(f"{level}.")}
        kind = {"campaign": "campaigns", "ad_group": "adGroups", "ad_group_ad": "adGroupAds"}[level]
        values.setdefault(f"{level}.resource_name", f"customers/{account.id}/{kind}/{key}")
        values.setdefault(_KEYS[level], int(number))
        node = node.child(level, key, values)
    # What was selected beside it, as a campaign's budget: whoever selects it again sees it again.
    shown = beside(finest, _VERSION) - set(LEVELS)
    node.values.update({name: value for name, value in row.items() if name.partition(".")[0] in shown})
    return node


def _finest(row: Values) -> str:
    levels = {name.partition(".")[0] for name in row} & set(LEVELS)
    return max(levels, key=LEVELS.index, default=LEVELS[0])


def _last(name: str | None) -> int | None:
    return int(re.split("[/~]", name)[-1]) if name else None


def _figures(node: Node, row: Values, where: str) -> None:
    metrics = {name: value for name, value in row.items() if name.startswith("metrics.")}
    if not metrics:
        return
    if "segments.date" not in row:
        raise RecordsError(f"{where}: a row with metrics needs segments.date")
    day = date.fromisoformat(row["segments.date"])
    segments = {
        name: value for name, value in row.items() if name.startswith("segments.") and name != "segments.date"
    }
    node.loaded = True
    facts = node.stated.setdefault(day, [])
    facts[:] = [one for one in facts if one.segments != segments]
    facts.append(Fact(segments, metrics))

"""Loading a world from files of API-shaped records, so that anyone's own export runs through the whole system.

A line is one JSON object, of one of these kinds:

- an account node: `{"id": "act_101...", "currency": "EUR", "timezone_name": "Europe/Paris", ...}`;
- a campaign, ad set or ad node: an `id`, and `account_id`, `campaign_id`, `adset_id` as far as it has them;
- an insights row: `date_start`, `date_stop` of one day, `account_id` and the ids down to its level.

A line may also be a whole answer as it was saved, `{"data": [...], "paging": ...}`: its list holds the records.

Rows are served as they are at their own level. A coarser level that the files lack is added up from the finest one
that they have. An account that has rows but no node is one in UTC, with the rows' `account_currency`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from weathervane.meta_ads.sandbox._fields import LEVELS
from weathervane.meta_ads.sandbox._options import AccountOptions
from weathervane.meta_ads.sandbox._rows import numbers_of
from weathervane.meta_ads.sandbox._world import World, chain
from weathervane.source.sandbox import read_json

__all__ = ["RecordsError", "load"]


class RecordsError(ValueError):
    """A file of records cannot be loaded; the message is one line that names file and line."""


def load(world: World, paths: Iterable[Path]) -> int:
    """Loads files into a world, in place of the accounts it was started with; returns how many records they held.

    Raises:
        RecordsError: A file cannot be read, or a line is not such a record.
    """
    world.accounts.clear()
    world.things.clear()
    rows: list[tuple[str, dict[str, Any]]] = []
    count = 0
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        for where, record in _records(line, f"{path}:{number}"):
                            count += 1
                            _take(world, record, where, rows)
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
    for where, row in rows:
        _row(world, row, where)
    return count


def _records(line: bytes, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a line, each with where it stands: the line itself, or all of the answer that it is."""
    try:
        found = read_json(line)
    except ValueError as error:
        raise RecordsError(f"{where}: not JSON: {error}") from None
    answer = isinstance(found, dict) and bool(found.keys() & {"data", "error"})
    if answer and not isinstance(found.get("data"), list):
        raise RecordsError(f"{where}: this answer holds an error, or data that is no list of records")
    places = (
        [(f"{where}: data[{n}]", one) for n, one in enumerate(found["data"])] if answer else [(where, found)]
    )
    for place, record in places:
        if not isinstance(record, dict):
            raise RecordsError(f"{place}: a record must be a JSON object")
        yield place, record


def _take(world: World, record: dict[str, Any], where: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
    if "date_start" in record:
        rows.append((where, record))
        return
    one = str(record.get("id", ""))
    try:
        if one.startswith("act_"):
            currency, zone = record.get("currency", "USD"), record.get("timezone_name", "UTC")
            world.open(AccountOptions(one, currency, zone, record.get("name", "")))
        elif one.isdigit() and record.get("account_id"):
            _node(world, record)
        else:
            raise RecordsError(
                f"{where}: a record needs date_start, or an id such as act_101 with its account_id"
            )
    except (ValueError, TypeError) as error:
        raise RecordsError(f"{where}: {str(error).removeprefix(where + ': ')}") from None


def _node(world: World, record: dict[str, Any]) -> None:
    level = "ad" if record.get("adset_id") else "adset" if record.get("campaign_id") else "campaign"
    ids = [
        (above, str(record[f"{above}_id"]), f"{above} {record[f'{above}_id']}")
        for above in LEVELS[1:]
        if record.get(f"{above}_id")
    ]
    thing = chain(
        world,
        str(record["account_id"]),
        [*ids, (level, str(record["id"]), str(record.get("name", "")))],
        _ANY,
    )
    if thing is not None:
        thing.name = str(record.get("name", thing.name))
        thing.extra |= {
            key: value for key, value in record.items() if key not in ("id", "name", "account_id")
        }


_ANY: Any = None


def _row(world: World, row: dict[str, Any], where: str) -> None:
    account = str(row.get("account_id", "")).removeprefix("act_")
    if not account:
        raise RecordsError(f"{where}: a row of insights needs its account_id")
    if row.get("date_stop", row["date_start"]) != row["date_start"]:
        raise RecordsError(
            f"{where}: a row must be of one day, not {row['date_start']} to {row['date_stop']}"
        )
    try:
        day = date.fromisoformat(row["date_start"])
        if account not in world.accounts:
            world.open(AccountOptions(account, str(row.get("account_currency", "USD")), "UTC"))
        numbers_of(row)
    except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise RecordsError(f"{where}: not a row of insights: {error or type(error).__name__}") from None
    ids = [
        (level, str(row[f"{level}_id"]), str(row.get(f"{level}_name", f"{level} {row[f'{level}_id']}")))
        for level in LEVELS[1:]
        if row.get(f"{level}_id")
    ]
    chain(world, account, ids, _ANY)
    level = ids[-1][0] if ids else "account"
    world.raw.setdefault((account, level, day), []).append(row)

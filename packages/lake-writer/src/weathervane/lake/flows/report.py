"""What a run of the lake's flows shows of itself in Prefect. It holds names, counts and times; never a row.

| artifact | what |
| --- | --- |
| `<work>--<tenant>--tables` | of each tenant: a row a table, with what was seen or done |
| `<work>--<who>--progress` | a bar, moved after each tenant |
| `<work>--<who>` | a summary: how the run ended, what became of each tenant's tables, links |

`work` is `compaction`, `vacuum` or `freshness`, and `who` a tenant, or `every-tenant`. A UI that cannot be reached
costs a run nothing but a warning.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.runtime import deployment
from prefect.runtime import flow_run as runtime
from prefect.utilities.urls import url_for

__all__ = ["Row", "RunReport", "show_tables"]

log = logging.getLogger(__name__)

Row = dict[str, str | int | float]
"""A row of a report: what was seen or done of one table."""


class RunReport:
    """One run's bar and summary."""

    def __init__(self, work: str, who: str) -> None:
        """Names what is done, and for whom: a tenant, or `every tenant`."""
        self._work = work
        self._title = f"{work} of {who}"
        self._key = _key(work, who)
        self._bar: UUID | None = None

    def begin(self) -> None:
        """Shows an empty bar."""

        def show() -> None:
            bar = create_progress_artifact(0.0, f"{self._key}--progress", f"{self._title}: begins")
            self._bar = cast(UUID, bar)

        _guarded(self._title, show)

    def move(self, done: int, of: int, tenant: str) -> None:
        """So many tenants are done; this was the last."""

        def show() -> None:
            if self._bar is not None:
                line = f"{self._title}: {done:,} of {of:,} tenants, last {tenant}"
                update_progress_artifact(self._bar, 100 * done / of, line)

        _guarded(self._title, show)

    def end(self, state: State[Any], tenants: Mapping[str, list[Row] | str]) -> None:
        """Leaves the summary.

        Args:
            state: How the run ends.
            tenants: Of each tenant the rows of its tables, or why it failed.
        """
        title = f"{self._title}: {(state.name or '').lower()}"
        _guarded(
            title, lambda: create_markdown_artifact(self._markdown(title, state, tenants), self._key, title)
        )

    def _markdown(self, title: str, state: State[Any], tenants: Mapping[str, list[Row] | str]) -> str:
        lines = [f"# {title}", "", _plain(state.message or ""), ""]
        if tenants:
            lines += ["| tenant | tables | became |", "| --- | ---: | --- |"]
        for tenant, found in tenants.items():
            if isinstance(found, str):
                lines.append(f"| {tenant} | | failed: {_plain(found)} |")
            else:
                states = Counter(str(row["state"]) for row in found)
                became = ", ".join(f"{number:,} {name}" for name, number in states.items())
                lines.append(f"| {tenant} | {len(found):,} | {became} |")
        lines += ["", "No checkpoint was moved and no row changed.", ""]
        links = {
            "this run": url_for("flow-run", runtime.get_id()),
            "its deployment": url_for("deployment", deployment.get_id()) if deployment.get_id() else None,
        }
        lines += [f"- [{name}]({url})" for name, url in links.items() if url]
        lines += [f"- artifact `{_key(self._work, tenant)}--tables`" for tenant in tenants]
        return "\n".join(lines)


def show_tables(rows: list[Row], work: str, tenant: str) -> None:
    """Leaves the table of a tenant's tables."""
    title = f"{tenant}: {work}"
    _guarded(title, lambda: create_table_artifact(rows, f"{_key(work, tenant)}--tables", title))


def _key(work: str, who: str) -> str:
    """A key takes lowercase letters, digits and dashes."""
    return f"{work}--{who}".replace("_", "-").replace(" ", "-")


def _plain(text: str) -> str:
    """A text as code in Markdown, which makes neither a link nor a column of it."""
    return f"`{text.replace('|', ' ').replace('`', chr(39))}`" if text else ""


def _guarded(title: str, show: Callable[[], object]) -> None:
    try:
        show()
    except Exception as error:
        # Its text may hold the API's address, and that a password.
        log.warning("%s: the report could not be written (%s)", title, type(error).__name__)

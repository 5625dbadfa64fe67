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

from collections import Counter
from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State

from weathervane.flow import ProgressBar, artifact_key, code, guarded, links

__all__ = ["Row", "RunReport", "show_tables"]

Row = dict[str, str | int | float]
"""A row of a report: what was seen or done of one table."""


class RunReport:
    """One run's bar and summary."""

    def __init__(self, work: str, who: str) -> None:
        """Names what is done, and for whom: a tenant, or `every tenant`."""
        self._work = work
        self._title = f"{work} of {who}"
        self._key = artifact_key(work, who)
        self._bar: ProgressBar | None = None

    def begin(self) -> None:
        """Shows an empty bar."""
        self._bar = ProgressBar(self._key, self._title)

    def move(self, done: int, of: int, tenant: str) -> None:
        """So many tenants are done; this was the last."""
        if self._bar is not None:
            self._bar.move(done / of, f"{done:,} of {of:,} tenants, last {tenant}", last=done == of)

    def end(self, state: State[Any], tenants: Mapping[str, list[Row] | str]) -> None:
        """Leaves the summary.

        Args:
            state: How the run ends.
            tenants: Of each tenant the rows of its tables, or why it failed.
        """
        title = f"{self._title}: {(state.name or '').lower()}"
        guarded(
            title, lambda: create_markdown_artifact(self._markdown(title, state, tenants), self._key, title)
        )

    def _markdown(self, title: str, state: State[Any], tenants: Mapping[str, list[Row] | str]) -> str:
        lines = [f"# {title}", "", code(state.message), ""]
        if tenants:
            lines += ["| tenant | tables | became |", "| --- | ---: | --- |"]
        for tenant, found in tenants.items():
            if isinstance(found, str):
                lines.append(f"| {tenant} | | failed: {code(found)} |")
            else:
                states = Counter(str(row["state"]) for row in found)
                became = ", ".join(f"{number:,} {name}" for name, number in states.items())
                lines.append(f"| {tenant} | {len(found):,} | {became} |")
        lines += ["", "No checkpoint was moved and no row changed.", ""]
        lines += links()
        lines += [f"- artifact `{artifact_key(self._work, tenant)}--tables`" for tenant in tenants]
        return "\n".join(lines)


def show_tables(rows: list[Row], work: str, tenant: str) -> None:
    """Leaves the table of a tenant's tables."""
    title = f"{tenant}: {work}"
    guarded(title, lambda: create_table_artifact(rows, f"{artifact_key(work, tenant)}--tables", title))

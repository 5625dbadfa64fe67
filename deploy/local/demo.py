"""The demo: every real part on this machine, two tenants, two runs, and a lake that equals the vendors' truth.

Run it by `nox -s demo`. What it leaves is in `.demo/`: the lake, and each part's log. A further run goes on from there.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

from processes import Stack, StartError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from vendors import TENANTS, VENDORS, Pretend

from weathervane.lake import LakeClient, LakeError
from weathervane.source import SourceError, TableSummary, aside_by_table

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("WEATHERVANE_DEMO_HOME", ROOT / ".demo")).resolve()
STEP = 36 * 3600
"""How far the vendors' clocks run between two rounds, in seconds."""
_SHOWN = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_deleted", "rows_quarantined")

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def main() -> int:
    """The whole story; 0 when the lake is right."""
    started = time.monotonic()
    HOME.mkdir(exist_ok=True)
    state = _state()
    # The threads are left last: they wait for parts, which the stack ends.
    with ThreadPoolExecutor() as threads, Stack(HOME / "logs") as stack:
        console.print("[bold]Starting[/] Prefect, the lake writer and four pretend vendors ...")
        prefect = threads.submit(stack.prefect, HOME / "prefect")
        options = ("--lake", str(HOME / "lake"), "--port", "0")
        writer = threads.submit(stack.module, "lake-writer", "weathervane.lake.server", *options)
        begins = datetime.fromisoformat(state["begins"])
        pretend = [threads.submit(vendor.start, stack, begins) for vendor in VENDORS]
        environment, lake = prefect.result(), writer.result()
        vendors = [one.result() for one in pretend]
        # What earlier runs let happen has happened: the lake remembers it, so the vendors must.
        for _ in range(state["steps"]):
            _advance(vendors)
        for vendor in vendors:
            environment |= vendor.environment
        os.environ.update(environment)
        os.environ["WEATHERVANE_LAKE_ADDRESS"] = lake["address"]
        os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
        console.print(
            f"  Prefect {environment['PREFECT_API_URL'].removesuffix('/api')}   lake {lake['address']}\n"
        )
        number = 2 * state["runs"] + 1
        summaries = _round(f"Run {number}: what the vendors have now")
        wrong = [f"after run {number}: {line}" for line in _differences(lake["address"], vendors)]
        console.print(
            f"\n[bold]The vendors' clocks run {STEP // 3600} hours[/]: orders, refunds, restated days, deletions.\n"
        )
        _advance(vendors)
        _save(state | {"steps": state["steps"] + 1})
        later = _round(f"Run {number + 1}: only what has changed since")
        _save(state | {"steps": state["steps"] + 1, "runs": state["runs"] + 1})
        console.print()
        console.print(_table(summaries, later))
        wrong += [f"after run {number + 1}: {line}" for line in _differences(lake["address"], vendors)]
    console.print(_verdict(wrong, time.monotonic() - started))
    return 1 if wrong else 0


def _round(title: str) -> dict[tuple[str, str], TableSummary]:
    """Runs every flow for every tenant; the counts of each dataset, by tenant and dataset."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from weathervane.source import Progress, listening

    def tell(progress: Progress) -> None:
        result = progress.result
        if result is not None:
            status.update(
                f"{result.table}  {progress.slice}  +{result.rows_inserted:,} ~{result.rows_updated:,}"
            )

    counts: dict[tuple[str, str], TableSummary] = {}
    console.print(f"[bold]{title}[/]")
    # Nobody watches for dead runs here, and a run would wait for its heartbeat's last second.
    undisturbed = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with console.status("") as status, listening(tell), undisturbed:
        for tenant, vendor in product(TENANTS, VENDORS):
            flows = import_module(f"weathervane.{vendor.source}")
            for name in vendor.flows:
                status.update(f"{name} for {tenant}")
                began = time.monotonic()
                summary = getattr(flows, name)(tenant)
                seconds = time.monotonic() - began
                console.print(
                    f"  {name:24} {tenant:10} {summary.metadata['state']:15}"
                    f" {summary.metadata['new_rows']:6,} new {summary.metadata['updated_rows']:6,} updated"
                    f" {summary.metadata['slices']:3} slices {seconds:6.1f} s"
                )
                if told := aside_by_table(summary.metadata["datasets"]):
                    console.print(f"    [yellow]did not fit: {told}[/]")
                for dataset, found in summary.metadata["datasets"].items():
                    counts[tenant, dataset] = found
    return counts


def _table(first: dict[tuple[str, str], TableSummary], second: dict[tuple[str, str], TableSummary]) -> Table:
    """Both runs side by side: `700 + 28` are the rows of the first and of the second run."""
    table = Table(
        title="The lake after both runs (first run + second run)", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("tenant", no_wrap=True)
    table.add_column("dataset", no_wrap=True)
    words = TableSummary.words()
    for name in ("rows", *(words[name] for name in _SHOWN)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("checkpoint", no_wrap=True)
    table.add_column("version", justify="right")
    last = ""
    for (tenant, dataset), now in second.items():
        before = first[tenant, dataset]
        numbers = [
            f"{was:,} + {is_now:,}" if was or is_now else "-"
            for was, is_now in ((getattr(before, name), getattr(now, name)) for name in _SHOWN)
        ]
        # The newest time in it: vendors keep theirs by account, by day or by kind.
        checkpoint = max(re.findall(r"\d{4}-\d\d-\d\d(?:T[\d:]+Z)?", now.checkpoint or ""), default="-")
        if last and tenant != last:
            table.add_section()
        shown = tenant if tenant != last else ""
        table.add_row(shown, dataset, f"{now.total_rows:,}", *numbers, checkpoint, str(now.table_version))
        last = tenant
    return table


def _advance(vendors: list[Pretend]) -> None:
    for vendor in vendors:
        vendor.advance(STEP)


def _differences(address: str, vendors: list[Pretend]) -> list[str]:
    with LakeClient(address) as lake:
        return [line for vendor in vendors for line in vendor.differences(lake)]


def _verdict(wrong: list[str], seconds: float) -> Panel:
    if wrong:
        return Panel("\n".join(wrong), title="The lake differs from the vendors", border_style="red")
    return Panel(
        "Every row equals the vendors' own: ids, times, amounts, quantities, deletions.\n"
        f"Delta tables: {_shown(HOME / 'lake')}/<tenant>/<dataset>   logs: {_shown(HOME / 'logs')}\n"
        f"{seconds:.0f} s in all. Run it again: it goes on from here. Delete {_shown(HOME)} to start over.",
        title="The lake is right",
        border_style="green",
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _state() -> dict[str, Any]:
    path = HOME / "state.json"
    if path.exists():
        try:
            state = dict(json.loads(path.read_text()))
            datetime.fromisoformat(state["begins"]), int(state["steps"]), int(state["runs"])
        except (ValueError, TypeError, KeyError):
            raise StartError(f"{path} is damaged: delete {HOME} to start over") from None
        return state
    # Far enough back for many runs to stay in the past.
    begins = (datetime.now(UTC) - timedelta(days=90)).replace(minute=0, second=0, microsecond=0)
    state = {"begins": begins.isoformat(), "steps": 0, "runs": 0}
    _save(state)
    return state


def _save(state: dict[str, Any]) -> None:
    path = HOME / "state.json"
    path.with_suffix(".new").write_text(json.dumps(state))
    path.with_suffix(".new").replace(path)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(f"error: the demo takes no arguments, not {' '.join(sys.argv[1:])[:80]}")
    # What the vendors do on purpose here (a throttle, a failed report, a closed account) would drown the story.
    for name in ("stamina", "weathervane"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        code = main()
    except (StartError, OSError, SourceError, LakeError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    sys.exit(code)

"""Takes the pictures of `docs/running.md`: a stack of its own, every deployment run once, Chromium looking at the UI.

Run it by `nox -s screenshots`; it needs a Chromium on the machine (`apt-get install chromium`, or $CHROMIUM).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from PIL import Image
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
TENANT = "acme"
SOURCE = "google-ads"
"""Whose run is shown: it has the most slices."""
SIZE: ViewportSize = {"width": 1600, "height": 900}
"""Wide enough for the schedules in the list of deployments."""
_PATIENCE = 1800.0
"""Seconds for all runs together; about a minute each when two cores are quiet."""
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

_Found = TypeVar("_Found")


class ShotError(Exception):
    """No pictures; the message says why."""


def main(
    running: Annotated[
        Path | None, typer.Option(help="The folder of a stack that runs already; default: one is started.")
    ] = None,
    into: Annotated[Path, typer.Option(help="Where the pictures go.")] = IMAGES,
) -> None:
    """Take the pictures."""
    try:
        chromium = _chromium()
        into.mkdir(parents=True, exist_ok=True)
        with _stack(running) as ready, _browser(chromium) as page:
            _take(Shots(page, ready["ui"], into), ready["api"])
    except (ShotError, BrowserError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


class Shots:
    """Pages of the UI, as pictures."""

    def __init__(self, page: Page, ui: str, into: Path) -> None:
        self._page = page
        self._ui = ui
        self._into = into

    def take(
        self, name: str, path: str, *texts: str, tab: str | None = None, height: int = SIZE["height"]
    ) -> None:
        """Opens a page, and one of its tabs; waits until it shows these texts, and keeps the picture.

        Raises:
            ShotError: It does not show one of them.
        """
        self._page.set_viewport_size({"width": SIZE["width"], "height": height})
        self._page.goto(self._ui + path)
        if tab is not None:
            self._page.get_by_text(tab, exact=True).click()
        for text in texts:
            try:
                self._page.get_by_text(text).filter(visible=True).first.wait_for(timeout=120_000)
            except BrowserError:
                raise ShotError(f"{path} does not show {text!r}") from None
        self._page.wait_for_load_state("networkidle")
        picture = Image.open(io.BytesIO(self._page.screenshot(animations="disabled")))
        # 128 colours are enough for a page, and make it a fifth as large.
        picture.convert("RGB").quantize(128).save(self._into / f"{name}.png", optimize=True)
        print(f"  {name}.png   {path}", flush=True)


def _take(shots: Shots, api_url: str) -> None:
    os.environ.update({"PREFECT_API_URL": api_url, "PREFECT_LOGGING_LEVEL": "CRITICAL", "DO_NOT_TRACK": "1"})
    # Here, because it reads the environment.
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as api:

        def ask(path: str, **body: Any) -> Any:
            return api._client.post(path, json=body).json()

        def runs(**chosen: Any) -> list[dict[str, Any]]:
            found = ask("/flow_runs/filter", flow_runs=chosen, sort="EXPECTED_START_TIME_ASC")
            return [run for run in found if not run["auto_scheduled"]]

        deployments = {one["name"]: one["id"] for one in ask("/deployments/filter")}
        shots.take("deployments", "/deployments", *deployments)
        sources = {name: one for name, one in deployments.items() if name.endswith("-ingestion")}
        started = time.monotonic()
        made = {str(api.create_flow_run_from_deployment(one).id) for one in sources.values()}
        print(f"  running {', '.join(sources)} ...", flush=True)

        def half_way() -> dict[str, Any] | None:
            bars = ask("/artifacts/filter", artifacts={"type": {"any_": ["progress"]}})
            return next((bar for bar in bars if 0 < bar["data"] < 100), None)

        def ended() -> list[dict[str, Any]] | None:
            # A run for every tenant starts one for each, before it ends.
            found = [
                run
                for run in runs(deployment_id={"any_": list(sources.values())})
                if made & {run["id"], str(run["idempotency_key"]).partition(":")[0]}
            ]
            return found if all(run["state_type"] in _ENDED for run in found) else None

        if (bar := _wait(lambda: half_way() or ended(), started)) and isinstance(bar, dict):
            shots.take("progress", f"/artifacts/artifact/{bar['id']}", bar["key"], height=420)
        found = _wait(ended, started)
        wrong = [
            f"{run['name']}: {run['state']['message']}" for run in found if run["state_type"] != "COMPLETED"
        ]
        if wrong:
            raise ShotError("; ".join(wrong))
        mine = [run for run in found if run["deployment_id"] == sources[f"{SOURCE}-ingestion"]]
        run = next(one for one in mine if one["parameters"]["tenant_id"] == TENANT)
        key = f"{SOURCE}--{TENANT}"
        shots.take("runs", "/runs", run["name"], height=1000)
        shots.take("run", f"/runs/flow-run/{run['id']}", run["name"], "Loaded", "Finished in state")
        shots.take("artifacts", f"/runs/flow-run/{run['id']}", f"{key}--slices", tab="Artifacts")
        checked = str(api.create_flow_run_from_deployment(deployments["lake-freshness"]).id)
        _wait(
            lambda: [run for run in runs(id={"any_": [checked]}) if run["state_type"] in _ENDED],
            started,
        )
        artifacts = {one["key"]: one["latest_id"] for one in ask("/artifacts/latest/filter")}
        shots.take("summary", f"/artifacts/artifact/{artifacts[key]}", "checkpoint before")
        shots.take("slices", f"/artifacts/artifact/{artifacts[f'{key}--slices']}", "set aside")
        shots.take(
            "freshness", f"/artifacts/artifact/{artifacts[f'freshness--{TENANT}--tables']}", "shopify_orders"
        )
        (block,) = (one["id"] for one in ask("/block_documents/filter") if one["name"] == "shopify-acme")
        shots.take("block", f"/blocks/block/{block}", "Client Secret")


def _wait(ready: Callable[[], _Found | None], started: float) -> _Found:
    while not (found := ready()):
        if time.monotonic() - started > _PATIENCE:
            raise ShotError(f"the runs have not ended within {_PATIENCE:.0f} s")
        time.sleep(1)
    return found


@contextmanager
def _stack(running: Path | None) -> Iterator[dict[str, Any]]:
    """What a stack says of itself; one of our own, unless there is one."""
    if running is not None:
        try:
            yield json.loads((running / "stack.json").read_text())
        except FileNotFoundError:
            raise ShotError(f"no stack is up in {running}") from None
        return
    with tempfile.TemporaryDirectory(prefix="weathervane-") as folder:
        home = Path(folder) / "stack"
        script = str(Path(__file__).with_name("stack.py"))
        process = subprocess.Popen([sys.executable, script, "--home", str(home), "--free-ports"])
        try:
            while not (home / "stack.json").exists():
                if process.poll() is not None:
                    raise ShotError("the stack did not start")
                time.sleep(0.5)
            yield json.loads((home / "stack.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextmanager
def _browser(chromium: str) -> Iterator[Page]:
    # Its sandbox needs rights that root in a container does not have; it opens our own pages only.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport=SIZE, color_scheme="light", timezone_id="UTC", locale="en-GB")
        page.set_default_timeout(180_000)
        yield page
        browser.close()


def _chromium() -> str:
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    raise ShotError(
        "no Chromium is on this machine: apt-get install chromium, or set CHROMIUM to its program"
    )


if __name__ == "__main__":
    typer.run(main)

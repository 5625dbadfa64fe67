"""The commands of a source: `serve` its gRPC service, `check` a tenant, `ingest` one flow in this process, `backfill`.

A source's `__main__.py` is `app = source_app("shopify", load)` and `main = app`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from weathervane.flow import prefer
from weathervane.lake import LakeError
from weathervane.rpc import AddressInUseError, RunningServer, ServerSettings, StatusError, run_server
from weathervane.source._errors import ConfigurationError, SourceError
from weathervane.source._exit_codes import ExitCode, exit_code
from weathervane.source._progress import Progress, listening
from weathervane.source._run.summary import aside_by_table

if TYPE_CHECKING:
    from weathervane.source._definition import SourceDefinition

__all__ = ["source_app"]

_Flow = Annotated[str, typer.Argument(help="The flow; a wrong one lists them.")]
_Tenant = Annotated[str, typer.Argument(help="The tenant, e.g. acme_eu.")]
_Verbose = Annotated[bool, typer.Option(help="Show Prefect's log and tracebacks too.")]
_RETRIES = (1, 15)
"""By hand a run begins again once after an error that may pass, and after so many seconds: whoever waits for it can
start it himself. A deployment's runs begin again as their flow says."""
_LOOK_SECONDS = 5.0
"""Between two looks at a backfill's runs."""


def source_app(name: str, load: Callable[[], SourceDefinition]) -> typer.Typer:
    """The command line of a source.

    Args:
        name: The source's name, for help texts.
        load: Gives the definition. Import it in there: it imports Prefect, which takes seconds and reads the
            environment.
    """
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        help=f"The {name} source: serve it, check a tenant, or run a flow here.",
    )

    @app.command()
    def serve(
        host: Annotated[str, typer.Option(envvar="WEATHERVANE_SOURCE_HOST")] = "127.0.0.1",
        port: Annotated[
            int, typer.Option(envvar="WEATHERVANE_SOURCE_PORT", min=0, max=65535, help="0 takes a free one.")
        ] = 50061,
        max_runs: Annotated[int, typer.Option(min=1, help="Runs in this process at the same time.")] = 4,
    ) -> None:
        """Serve the gRPC service until SIGTERM. Prints one JSON line when it accepts calls."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        # A line for every call to a vendor and to Prefect hides the others.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        prefer()
        definition = load()
        from weathervane.source._serve.runs import Runs, RunSettings
        from weathervane.source._serve.servicer import DOMAIN, source_service

        if not os.environ.get("PREFECT_API_URL"):
            logging.getLogger(__name__).warning(
                "PREFECT_API_URL is not set: the first run starts a temporary Prefect server, which takes half a minute"
            )
        runs = Runs(RunSettings(max_concurrent_runs=max_runs))
        # Once the calls have ended, the runs may go on for as long as those could.
        settings = ServerSettings(host=host, port=port, exit_seconds=ServerSettings.grace_seconds + 3)

        def ready(server: RunningServer) -> None:
            print(json.dumps({"event": "ready", "address": server.address, "source": name}), flush=True)

        try:
            run_server([source_service(definition, runs)], settings, domain=DOMAIN, on_ready=ready)
        except AddressInUseError as error:
            _fail(str(error), ExitCode.USAGE)
        for run in runs.wait(settings.grace_seconds):
            # What it wrote is whole; a run that is started again goes on from there.
            print(f"cut off: {run.request.flow} of {run.request.tenant}, run {run.run_id}", file=sys.stderr)

    @app.command()
    def check(tenant: _Tenant) -> None:
        """Ask the vendor whether a tenant can be read. Exit code 1 when it cannot."""
        with _one_line(verbose=False):
            definition = load()
            from weathervane.source._definition import Severity
            from weathervane.source._serve.servicer import check_tenant

            with listening(_tell):
                findings = check_tenant(definition, tenant)
        for finding in findings:
            print(f"{finding.severity.value:7} {finding.reason}: {finding.message}")
        if any(finding.severity is Severity.ERROR for finding in findings):
            raise typer.Exit(ExitCode.FAILED)
        print(f"{name} can read {tenant}")

    @app.command()
    def ingest(
        flow: _Flow,
        tenant: _Tenant,
        start: Annotated[
            str, typer.Option(help="First day, YYYY-MM-DD; empty goes on from the checkpoint.")
        ] = "",
        end: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD; empty means now.")] = "",
        verbose: _Verbose = False,
    ) -> None:
        """Run one flow here and now, with the lake writer at WEATHERVANE_LAKE_ADDRESS. Prints its summary as JSON.

        Exit code 4 when the vendor wants a part of it asked for later.
        """
        with _one_line(verbose=verbose):
            definition = load()
            from weathervane.source._progress import reach_lake
            from weathervane.source._serve.servicer import run_flow, to_request

            found, request = to_request(
                definition,
                tenant=tenant,
                flow=flow,
                start_date=start,
                end_date=end,
                request_id=str(uuid.uuid4()),
            )
            definition.credentials.load(tenant)
            reach_lake()
            with listening(_tell):
                summary = run_flow(found, request, retries=_RETRIES)
        print(json.dumps(asdict(summary)))
        if told := aside_by_table(summary.metadata["datasets"]):
            print(f"{tenant}: did not fit: {told}", file=sys.stderr)
        if (deferred := summary.metadata.get("deferred")) is not None:
            _fail(f"a part is left for later: {deferred['message']}", ExitCode.LATER)

    @app.command()
    def backfill(
        flow: _Flow,
        tenant: _Tenant,
        start: Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")],
        end: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD.")],
        every: Annotated[int, typer.Option(min=1, max=366, help="Days of a window, which is one run.")] = 31,
        concurrency: Annotated[int, typer.Option(min=1, max=50, help="Windows at the same time.")] = 2,
        parameter: Annotated[
            list[str] | None, typer.Option(help="Another one of the flow's, e.g. level=ad; may be repeated.")
        ] = None,
        name: Annotated[
            str,
            typer.Option(help="Tells it from an earlier backfill of the same days, which is else resumed."),
        ] = "",
        deployment: Annotated[str, typer.Option(help="Its name, when the flow has several.")] = "",
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and do nothing.")] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        verbose: _Verbose = False,
    ) -> None:
        """Fill in a tenant's history, window by window, by runs of the flow's deployment at PREFECT_API_URL.

        Prints a plan first. Stopped, it is resumed by the same command. Exit code 1 when a window failed.
        """
        with _one_line(verbose=verbose):
            definition = load()
            from weathervane.source._serve.backfill import backfill as run_backfill

            try:
                whole = run_backfill(
                    definition,
                    flow,
                    tenant,
                    start=start,
                    end=end,
                    every=every,
                    concurrency=concurrency,
                    parameters=_pairs(parameter or []),
                    name=name,
                    deployment=deployment,
                    agree=lambda: not dry_run and (yes or _agreed()),
                    pause=_look,
                    tell=lambda line: print(line, flush=True),
                )
            except KeyboardInterrupt:
                raise typer.Exit(ExitCode.STOPPED) from None
        if not whole:
            raise typer.Exit(ExitCode.FAILED)

    return app


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, pairs, strict=True):
        if not name or not equals:
            raise ConfigurationError(
                f"the parameter {text[:80]!r} is not of the form name=value", reason="BAD_PARAMETER"
            )
    return {name: value for name, _, value in pairs}


def _look() -> None:
    time.sleep(_LOOK_SECONDS)


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is here to agree to the plan: give --yes", reason="NOT_AGREED")
    return typer.confirm("Start?")


def _tell(progress: Progress) -> None:
    print(progress.message, file=sys.stderr, flush=True)


@contextmanager
def _one_line(*, verbose: bool) -> Iterator[None]:
    """Ends the process with one clear line for every error that has one."""
    quiet: dict[str, str] = {} if verbose else {"PREFECT_LOGGING_LEVEL": "CRITICAL"}
    prefer(**quiet)
    try:
        yield
    except (SourceError, LakeError) as error:
        _fail(str(error), exit_code(error))
    except StatusError as error:
        _fail(error.message, exit_code(error))


def _fail(message: str, code: ExitCode) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(code)

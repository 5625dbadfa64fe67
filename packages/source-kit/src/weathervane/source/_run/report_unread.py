"""What a run that reads nothing shows of itself in Prefect.

| artifact, `key` = the flow and the tenant | what |
| --- | --- |
| `<flow>--every-tenant` | of a run that started one for each tenant: links to them |
| `<flow>--<tenant>` | of a run that failed before it read: why; of one that a newer one covers: a link to that |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.runtime import flow_run as runtime
from prefect.utilities.urls import url_for

from weathervane.flow import EVERY_TENANT, artifact_key, code, guarded, said, who
from weathervane.source._run.report import SHOWN
from weathervane.source._run.report_words import became

__all__ = ["failures_shown", "report_dispatch", "report_skipped"]


def report_dispatch(runs: Mapping[str, str], busy: Mapping[str, str]) -> None:
    """Leaves links to the runs that a run for every tenant started.

    Args:
        runs: Their ids, by tenant.
        busy: By tenant that is left out, where its earlier run stands.
    """
    lines = [f"- [{tenant}]({url_for('flow-run', run) or run})" for tenant, run in runs.items()]
    lines += [f"- {tenant} is left out: {code(busy[tenant])}" for tenant in sorted(busy)]
    what = _what()
    title = f"{what}: {len(runs)} runs started" + (f", {len(busy)} tenants left out" if busy else "")
    text = "\n".join([f"# {title}", "", *lines])
    guarded(what, lambda: create_markdown_artifact(text, artifact_key(what, who(EVERY_TENANT)), title))


def report_skipped(tenant: str, message: str, newer: UUID) -> None:
    """Leaves a link to the run that does the work of this one.

    Args:
        tenant: Whose run it is, or `EVERY_TENANT`.
        message: Why it is skipped.
        newer: The other run.
    """
    what, whose = _what(), who(tenant).replace(" ", "-")
    title = f"{whose}/{what}: skipped"
    url = url_for("flow-run", newer) or str(newer)
    text = f"# {title}\n\n{code(message)}\n\n- [the run that covers it]({url})"
    guarded(title, lambda: create_markdown_artifact(text, artifact_key(what, whose), title))


@contextmanager
def failures_shown(tenant: str) -> Iterator[None]:
    """Leaves a summary of a run of this tenant that failed before there was anything to report."""
    try:
        yield
    except Exception as error:
        if SHOWN not in vars(error):
            what = _what()
            title = f"{tenant}/{what}: {became(error)}"
            text = f"# {title}\n\n{code(said(error))}\n\nNothing was read."
            guarded(title, lambda: create_markdown_artifact(text, artifact_key(what, tenant), title))
        raise


def _what() -> str:
    """The flow, and what it was given beside tenant and days: another level's run has another table's summary."""
    return "_".join([(runtime.get_flow_name() or "").removeprefix("ingest_"), *_beside_defaults()])


def _beside_defaults() -> list[str]:
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        return []
    usual = {name: one.get("default") for name, one in context.flow.parameters.properties.items()}
    window = ("tenant_id", "start_date", "end_date")
    given = dict(runtime.get_parameters())
    return [
        str(value)
        for name, value in given.items()
        if name not in window and value not in (None, usual.get(name))
    ]

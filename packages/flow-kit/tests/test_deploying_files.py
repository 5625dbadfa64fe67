"""What a `prefect.yaml` may not say: each thing that is wrong is one clear line, and no server is asked."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from weathervane.flow._command import app as main
from weathervane.flow._definitions import read_definitions
from weathervane.flow._packages import GROUP, DeployError, installed_packages

from .pretend_package import PretendPackage, make_package

NOWHERE = "http://127.0.0.1:1/api"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PretendPackage:
    """An installed package."""
    package = make_package(tmp_path, monkeypatch)
    package.install()
    return package


def command(*arguments: str) -> Result:
    """Runs the command, on a server that is not there: whoever asked it would say so."""
    return CliRunner().invoke(main, ["--server-url", NOWHERE, *arguments])


def changed(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one field; `.` in its name leads into what it holds."""

    def change(deployment: dict[str, Any]) -> None:
        *parents, last = field.split(".")
        at: Any = deployment
        for parent in parents:
            at = at[int(parent) if parent.isdigit() else parent]
        at[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed("shedules", []), "shedules: is no key that is allowed here; remove it"),
        (changed("work_pool", {"name": "some-pool"}), "work_pool.work_queue_name: is missing; add it"),
        (changed("build", []), "build: is no key that is allowed here; remove it"),
        (changed("schedules.0.active", True), "schedules.0.active: is no key that is allowed here; remove it"),
        (changed("schedules.0.cron", "at noon"), 'schedules.0.cron: Invalid cron string: "at noon"'),
        (changed("schedules.0.timezone", "Mars/Base"), 'schedules.0.timezone: Invalid timezone: "Mars/Base" (specify'),
        (changed("schedules.0.timezone", ""), "schedules.0.timezone: String should have at least 1 character"),
        (
            changed("schedules", [{"slug": "daily", "cron": "0 2 * * *"}]),
            "schedules.0.timezone: is missing; add it",
        ),
        (
            changed("schedules", [{"slug": "daily", "cron": "0 2 * * *", "timezone": "UTC"}] * 2),
            "schedules share the slug daily; give each its own",
        ),
        (changed("tags", ["weathervane"]), "tags: lack '{slug}'; add it"),
        (changed("concurrency_limit.limit", 0), "concurrency_limit.limit: Input should be greater than or equal to 1"),
        (changed("concurrency_limit.collision_strategy", "QUEUE"), "concurrency_limit.collision_strategy: Input"),
        (changed("entrypoint", "flows.py:read"), "entrypoint: flows.py:read cannot be imported (ModuleNotFoundError: "),
        (
            changed("entrypoint", "{name}.flaws:read"),
            "entrypoint: {name}.flaws:read cannot be imported (ModuleNotFoundError: No module named '{name}.flaws')",
        ),
        (changed("entrypoint", "{name}.flows:reed"), "entrypoint: {name}.flows:reed cannot be imported (AttributeE"),
        (changed("entrypoint", "{name}.flows:not_a_flow"), "entrypoint: {name}.flows:not_a_flow is no flow but int;"),
        (
            changed("parameters.tenant", "acme"),
            "parameters: {name}_read has no parameter 'tenant'; it has tenant_id, start_date",
        ),
        (
            changed("schedules.0.parameters", {"tenant": "acme"}),
            "schedules.daily.parameters: {name}_read has no parameter 'tenant'; it has tenant_id, start_date",
        ),
        (changed("parameters.start_date", "soon"), "parameters: do not fit {name}_read: "),
        (changed("parameters.tenant_id", "{{{{ $TENANT }}}}"), None),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_deployment_is_one_clear_line(
    package: PretendPackage, change: Callable[[dict[str, Any]], None], told: str | None
) -> None:
    """File, deployment, field, what is wrong and what to do; exit code 2, before any server is asked."""
    change(package.deployments[0])
    package.write()
    text = package.file.read_text()
    names = {"name": package.name, "slug": package.slug}
    package.file.write_text(text.replace("{name}", package.name).replace("{{{{", "{{").replace("}}}}", "}}"))
    result = command("--package", package.slug)
    assert (result.exit_code, result.stdout) == (2, "")
    line = result.stderr.splitlines()[0]
    if told is None:
        assert (
            line
            == f"error: {package.file}:1: templates are not allowed; an unset variable deploys an empty value"
        )
    else:
        assert line.startswith(f"error: {package.file}: {package.slug}-reading: {told.format(**names)}")
        assert len(result.stderr.splitlines()) == 1


def test_a_schedule_that_could_not_run_is_told(package: PretendPackage) -> None:
    """A parameter without a default and without a value."""
    package.deployments[0]["parameters"] = {}
    package.write()
    each = "'tenant_id' is missing, without which no schedule can run"
    for line in command("--package", package.slug).stderr.splitlines():
        assert each in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deployments: [", "cannot be read as YAML: while parsing"),
        ("a: 1\na: 2\n", "cannot be read as YAML: while constructing a mapping .* found duplicate key"),
        ("", "Input should be a valid dictionary"),
        ("name: x\npull: []\ndeployments: []\n", "deployments: List should have at least 1 item"),
        ("name: x\ndeployments: [{name: y}]\n", "pull: is missing; add it"),
        ("name: x\npull: [{git_clone: {}}]\ndeployments: [{}]\n", "pull: List should have at most 0 items"),
    ],
)
def test_a_file_that_is_wrong_is_one_clear_line(package: PretendPackage, text: str, told: str) -> None:
    """One that is no YAML, empty, or no file of deployments."""
    package.file.write_text(text)
    with pytest.raises(DeployError, match=f"{package.file}: {told}") as raised:
        read_definitions(installed_packages([package.slug]))
    (line,) = raised.value.problems
    assert "\n" not in line


def test_everything_that_is_wrong_is_told_at_once(
    package: PretendPackage, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wants to learn of one mistake at a time."""
    other = make_package(tmp_path_factory.mktemp("other"), monkeypatch)
    other.file.write_text("[")
    package.deployments[0]["tags"] = ["mine"]
    twice = package.deployment("reading", "clean", parameters={"weeks": 1})
    package.deployments.append(twice)
    package.write()
    with pytest.raises(DeployError) as raised:
        read_definitions(installed_packages(found=[package.point, other.point]))
    assert len(raised.value.problems) == 5
    assert f"two deployments are named {package.slug}-reading; rename one" in raised.value.problems[-1]


def test_a_package_that_is_not_there_is_one_clear_line(package: PretendPackage) -> None:
    """With those that are."""
    result = command("--package", "amazon")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: amazon: is not installed; there are: ")
    assert package.slug in line


def test_no_package_at_all_is_told() -> None:
    """As in an environment with the kit alone."""
    with pytest.raises(DeployError, match=f"^no installed package has the entry point {GROUP}; install one"):
        installed_packages(found=[])


def test_a_package_without_its_file_is_told(package: PretendPackage) -> None:
    """Its wheel was not made right; or the package is gone and its entry point was left."""
    package.file.unlink()
    gone = EntryPoint("gone", "pretend_gone.nowhere", GROUP)
    with pytest.raises(DeployError) as raised:
        installed_packages(found=[package.point, gone])
    assert [problem.split(";")[0] for problem in raised.value.problems] == [
        "gone: pretend_gone.nowhere is without its prefect.yaml",
        f"{package.slug}: {package.name} is without its prefect.yaml",
    ]


@pytest.mark.parametrize("value", ["59", "long"])
def test_a_silence_that_is_none_is_refused(value: str) -> None:
    """With the same exit code."""
    result = command("--heartbeat-within", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for '--heartbeat-within'" in result.stderr


def test_without_a_server_it_says_which_option_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Option or variable."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert "Missing option '--server-url'" in result.stderr

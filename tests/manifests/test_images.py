"""An image's environment, made as the Dockerfile makes it, has what compose and Kubernetes start in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"
# One source stands for all: that each has its console script and its deployments, `wheels` and `house` see.
PORTS = {"lake-writer": 50051, "shopify": 50061}
PREFECT = "flow-kit"


class Started(NamedTuple):
    """What the entry point became when it was asked for help."""

    program: list[str]
    help: str


class Image(NamedTuple):
    """A package's image, without the machine around it."""

    package: str
    environment: Path
    roles: dict[str, Started]


@pytest.fixture(scope="module", params=[*PORTS, PREFECT])
def image(
    request: pytest.FixtureRequest, tool: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Image:
    """Make an environment as the Dockerfile does, and start each role in it, with `--help` added."""
    package = request.param
    target = tmp_path_factory.mktemp(package) / "environment"
    tool("sh", "deploy/install.sh", package, target)
    env = {"PATH": f"{target / 'bin'}:/usr/bin:/bin", "WEATHERVANE_PACKAGE": package, "DO_NOT_TRACK": "1"}
    commands = [["prefect", "server", "start"]]
    if package != PREFECT:
        commands = [["serve"], ["register"], ["work", "--limit", "4"]]
    roles = {}
    for command in commands:
        # -x, which tells on stderr what is executed; that comes after the help.
        told, _, traced = tool("sh", "-x", ENTRYPOINT, *command, "--help", env=env).rpartition("+ exec ")
        roles[command[0]] = Started(shlex.split(traced.splitlines()[0])[:-1], told)
    return Image(package, target, roles)


def test_every_role_is_a_command_that_the_image_has(image: Image) -> None:
    """Each with options that the command knows."""
    for role, (program, told) in image.roles.items():
        assert (image.environment / "bin" / program[0]).exists(), role
        for option in (word for word in program if word.startswith("--")):
            # Of Prefect's own, `--no-prompt` stands before the command.
            assert re.search(rf"{option}\b", told), f"{role}: {program[0]} has no option {option}"


def test_a_worker_takes_the_queue_of_its_package(image: Image) -> None:
    """The one in which the package's own deployments put their runs."""
    file = ROOT / "packages" / image.package / "prefect.yaml"
    if not file.exists():
        pytest.skip(f"{image.package} deploys nothing")
    program = image.roles["work"].program
    for deployment in YAML(typ="safe").load(file)["deployments"]:
        pool = deployment["work_pool"]
        assert program[program.index("--pool") + 1] == pool["name"]
        assert program[program.index("--work-queue") + 1] == pool["work_queue_name"]


def test_a_service_listens_where_the_files_say(image: Image) -> None:
    """The ports of the files are the commands' own."""
    if image.package == PREFECT:
        pytest.skip("serves nothing of ours")
    assert re.search(rf"--port [^-]*\b{PORTS[image.package]}\b", image.roles["serve"].help)


def test_nothing_else_is_in_it(image: Image) -> None:
    """No test runner, and no other team's package."""
    has = {path.name for path in (image.environment / "bin").iterdir()}
    assert "pytest" not in has
    allowed = (
        f"weathervane-{image.package}",
        "weathervane-lake-writer",
        "weathervane-deploy",
        "weathervane-backfill",
    )
    assert not [name for name in has if name.startswith("weathervane-") and not name.startswith(allowed)]

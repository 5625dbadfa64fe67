"""The matrix. `pip install "nox[uv]" && nox` runs everything that CI runs; `nox -l` says what there is.

Packages come from `packages/*` and Pythons from their classifiers, so nothing here names one. Every session
installs into an environment of its own: from a warm uv cache that takes about two seconds, and it keeps the
sessions honest.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"  # pip cannot combine hashes with editable installs
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
LOWEST = ROOT / "constraints-lowest.txt"
PROTO = ROOT / "proto"
MANIFESTS: dict[str, dict[str, Any]] = {
    path.parent.name: tomllib.loads(path.read_text())
    for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
PACKAGES = list(MANIFESTS)
FOLDERS = {manifest["project"]["name"]: folder for folder, manifest in MANIFESTS.items()}
GROUPS = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"])


def runs(python: str) -> bool:
    """Tell whether `python3.x` is really there: a version manager's shim may be found and refuse to start."""
    executable = shutil.which(f"python{python}")
    return (
        executable is not None and subprocess.run([executable, "-c", ""], capture_output=True).returncode == 0
    )


SUPPORTED = sorted(
    {
        match[1]
        for manifest in MANIFESTS.values()
        for line in manifest["project"]["classifiers"]
        if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line))
    },
    key=lambda version: int(version.split(".")[1]),
)
PYTHONS = [version for version in SUPPORTED if runs(version)] or SUPPORTED[:1]

# Tests wait for servers and processes of their own, so two cores serve four; those of a file share them.
# In their order: files of few tests, which would come last, are those that take long.
FOUR_FILES_AT_ONCE = ("--numprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")

# Where it is set, each process that imports Prefect compiles for three seconds; these environments are our own.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Else each of the many processes that a session starts compiles the same modules, at the same time.
COMPILED = "--compile-bytecode"

# Ctrl-C reaches what runs as well as nox: it stops its parts in order, which nox would cut short after half a second.
IN_ITS_OWN_TIME: dict[str, Any] = {"interrupt_timeout": 120.0, "terminate_timeout": 120.0}

each_python = nox.session(python=PYTHONS)
each_package = nox.parametrize("package", PACKAGES, ids=PACKAGES)


def with_extras(folder: str) -> str:
    """Return the package's path with all its extras, e.g. `packages/shopify[sandbox]`."""
    extras = ",".join(MANIFESTS[folder]["project"].get("optional-dependencies", {}))
    return f"packages/{folder}[{extras}]" if extras else f"packages/{folder}"


def siblings(folder: str, *, tests: bool = False) -> set[str]:
    """Return the folders of all packages of this house that the package needs, itself included."""
    project = MANIFESTS[folder]["project"]
    requirements = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    if tests:
        requirements += MANIFESTS[folder].get("dependency-groups", {}).get("test", [])
    names = {match[0] for requirement in requirements if (match := re.match(r"[\w.-]+", requirement))}
    return {folder}.union(*(siblings(FOLDERS[name]) for name in names & FOLDERS.keys() - {project["name"]}))


def install(
    session: nox.Session, *arguments: str, groups: tuple[str, ...] = (), constraints: Path = CONSTRAINTS
) -> None:
    """Install at exactly the pinned versions, with their hashes checked."""
    chosen = [f"--group=pyproject.toml:{group}" for group in groups]
    pins = (f"--constraint={constraints}", f"--build-constraint={CONSTRAINTS}")
    session.install(*pins, *arguments, *chosen)


def install_house(session: nox.Session, *arguments: str, groups: tuple[str, ...] = ()) -> None:
    """Install every package, editable, with every extra."""
    parts = (part for folder in PACKAGES for part in ("-e", with_extras(folder)))
    install(session, *parts, *arguments, groups=groups)


def own_group(folder: str) -> str:
    """Return the option that installs what the package's own tests need."""
    return f"--group=packages/{folder}/pyproject.toml:test"


def pytest(session: nox.Session, path: str, *options: str) -> None:
    """Run pytest over a folder, with what stands after `--`; one without a test is skipped aloud."""
    if not any(Path(path).rglob("test_*.py")):
        session.skip(f"no test yet in {path}")
    session.run("pytest", path, *options, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and who may import whom."""
    install_house(session, groups=("lint", "test", "proto", "demo", "screenshots"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = [f"packages/{folder}/src" for folder in PACKAGES]
    bases = {"MYPYPATH": ":".join([*sources, "deploy/local"])}
    scripts = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("deploy/local/*.py"))]
    session.run("mypy", "--num-workers=2", *sources, "noxfile.py", *scripts, env=bases)
    # A folder at a time: test modules of two packages may share a name. Its parent is the base, so that a
    # test's `from .helper import …` means to mypy what it means to pytest.
    for folder in [
        *ROOT.glob("packages/*/tests"),
        *ROOT.glob("packages/*/benchmarks"),
        *ROOT.glob("tests/*"),
    ]:
        if any(folder.rglob("*.py")):
            base = {"MYPYPATH": ":".join([*sources, "deploy/local", str(folder.parent)])}
            session.run("mypy", str(folder.relative_to(ROOT)), env=base)
    session.run("lint-imports", "--no-logo")


@nox.session
def proto(session: nox.Session) -> None:
    """The protos are well made, break no released contract, and the committed stubs are theirs."""
    install(session, groups=("proto",))
    fresh = Path(session.create_tmp()).resolve()
    generate(session, fresh)
    owners = stub_owners()
    for stub in sorted(path for path in fresh.rglob("*") if path.is_file()):
        relative = stub.relative_to(fresh)
        committed = owners[relative.parent.as_posix()] / relative
        if not committed.exists() or not filecmp.cmp(stub, committed, shallow=False):
            session.error(f"{relative} is not what its proto gives: run `nox -s proto_write`")
    session.chdir(PROTO)
    session.run("buf", "lint")
    for folder, source in owners.items():
        pattern = f"{source.parent.name}-v*"
        tags = session.run("git", "tag", "--list", "--sort=-v:refname", pattern, external=True, silent=True)
        if not tags:
            session.log(f"{folder}: nothing is released yet, so nothing can break")
            continue
        against = ("--against", f"../.git#tag={str(tags).split()[0]},subdir=proto")
        session.run("buf", "breaking", "--path", folder, *against)


@nox.session(default=False)
def proto_write(session: nox.Session) -> None:
    """Write the stubs into the src folder of the package that owns each proto."""
    install(session, groups=("proto",))
    fresh = Path(session.create_tmp()).resolve()
    generate(session, fresh)
    for relative, source in stub_owners().items():
        shutil.copytree(fresh / relative, source / relative, dirs_exist_ok=True)


def generate(session: nox.Session, target: Path) -> None:
    """Generate modules and their types from every proto."""
    shutil.rmtree(target)
    target.mkdir()
    files = [path.relative_to(PROTO).as_posix() for path in sorted(PROTO.rglob("*.proto"))]
    plugins = [f"--{plugin}_out={target}" for plugin in ("python", "grpc_python", "mypy", "mypy_grpc")]
    session.run("python", "-m", "grpc_tools.protoc", f"--proto_path={PROTO}", *plugins, *files)


def stub_owners() -> dict[str, Path]:
    """Return the src folder for each proto folder: that of the one package which has the folder above it."""
    owners = {}
    for relative in {path.parent.relative_to(PROTO) for path in PROTO.rglob("*.proto")}:
        (owner,) = (source for source in ROOT.glob("packages/*/src") if (source / relative.parent).is_dir())
        owners[relative.as_posix()] = owner
    return owners


def test_one(session: nox.Session, package: str, constraints: Path) -> None:
    """Test one package, from its own folder, with only what it declares."""
    others = [f"packages/{folder}" for folder in siblings(package, tests=True) - {package}]
    editable = [part for path in (with_extras(package), *others) for part in ("-e", path)]
    install(session, COMPILED, *editable, own_group(package), groups=("test",), constraints=constraints)
    for variable, requirement in (
        MANIFESTS[package].get("tool", {}).get("weathervane", {}).get("beside", {}).items()
    ):
        # A second version of something, that a test looks at from a process of its own.
        folder = Path(session.create_tmp()).resolve() / variable
        session.run("uv", "pip", "install", "--quiet", "--no-deps", f"--target={folder}", requirement)
        session.env[variable] = str(folder)
    session.chdir(f"packages/{package}")
    pytest(session, "tests", *FOUR_FILES_AT_ONCE)


@each_python
@each_package
def tests(session: nox.Session, package: str) -> None:
    """Test one package, from its own folder, with only what it declares."""
    test_one(session, package, CONSTRAINTS)


@nox.session(python=PYTHONS[0], default=False)
@each_package
def lowest(session: nox.Session, package: str) -> None:
    """Test one package with the lowest versions that this house says it serves."""
    test_one(session, package, LOWEST)


@nox.session(python=PYTHONS[0], default=False)
@each_package
def wheels(session: nox.Session, package: str) -> None:
    """Build what is published, install it without the checkout, and look at it from the outside."""
    install(session, groups=("test", "deploy"))
    pytest(session, "tests/wheels", "-k", f"[{package}]")


@nox.session
def whole(session: nox.Session) -> None:
    """`house`, `wheels`, `e2e`, `chaos` and `manifests` at once: while the demos wait, the others work."""
    groups = (own_group(folder) for folder in PACKAGES)
    install_house(session, COMPILED, *groups, groups=("test", "deploy"))
    session.create_tmp()  # images' environments are then on the disk of uv's links
    folders = ("tests/e2e", "tests/wheels", "tests/chaos", "tests/manifests", "tests/house")
    session.run("pytest", *folders, *FOUR_FILES_AT_ONCE, *session.posargs)


@nox.session(default=False)
def house(session: nox.Session) -> None:
    """What no package can promise alone: the shape of the house itself."""
    # With what each package's tests need, to know which distribution an import is from.
    install_house(session, *(own_group(folder) for folder in PACKAGES), groups=("test",))
    pytest(session, "tests/house", "--numprocesses=2")


@nox.session(default=False)
def e2e(session: nox.Session) -> None:
    """The way of a row from a pretend vendor to a second Delta reader, every part running."""
    install_house(session, COMPILED, groups=("test", "deploy"))
    pytest(session, "tests/e2e", *FOUR_FILES_AT_ONCE)


@nox.session(default=False)
def stack_tests(session: nox.Session) -> None:
    """Schedules, a worker that is killed, the stack: minutes of waiting for what Prefect does by its own clock."""
    install_house(session, COMPILED, groups=("test",))
    pytest(session, "tests/stack")  # one after the other: each file is a whole stack


@nox.session(default=False)
def chaos(session: nox.Session) -> None:
    """Kill each part at each step; the lake is right afterwards."""
    install_house(session, COMPILED, groups=("test",))
    pytest(session, "tests/chaos", "--numprocesses=3")


@nox.session(default=False)
def manifests(session: nox.Session) -> None:
    """What deploy/ tells Docker, Compose and Kubernetes, checked by their own tools; no engine is needed."""
    install_house(session, groups=("test", "deploy"))
    session.create_tmp()  # images' environments are then on the disk of uv's links
    pytest(session, "tests/manifests", *FOUR_FILES_AT_ONCE)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Show it: everything started on this machine, a shop read into a lake, the rows read back."""
    install_house(session, COMPILED, groups=("demo",))
    session.run("python", "deploy/local/demo.py", *session.posargs, **IN_ITS_OWN_TIME)


@nox.session(default=False)
def stack(session: nox.Session) -> None:
    """Run the whole of it on this machine until Ctrl-C: the UI, the deployments, the services, pretend vendors."""
    install_house(session, COMPILED, groups=("demo",))
    session.run("python", "deploy/local/stack.py", *session.posargs, **IN_ITS_OWN_TIME)


@nox.session(default=False)
def screenshots(session: nox.Session) -> None:
    """Take the pictures of docs/running.md: a stack of its own, every deployment run, Chromium looking at the UI."""
    install_house(session, groups=("demo", "screenshots"))
    session.run(
        "python",
        "deploy/local/screenshots.py",
        *session.posargs,
        interrupt_timeout=120,
        terminate_timeout=120,
    )


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure, with each package's own benchmarks; the machine decides the figures."""
    install_house(session, groups=("test",))
    for script in sorted(ROOT.glob("packages/*/benchmarks/*.py")):
        session.run("python", str(script.relative_to(ROOT)), *session.posargs)


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Pin every third-party version, with hashes, for all supported Pythons (`-- --upgrade`: anew)."""
    requirements = Path(session.create_tmp()).resolve() / "requirements.in"
    requirements.write_text("".join(f"-e {ROOT / with_extras(folder)}\n" for folder in PACKAGES))
    for target, groups, options in (
        (CONSTRAINTS, GROUPS, ()),
        (LOWEST, ["test"], ("--resolution=lowest-direct",)),
    ):
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", f"--python-version={SUPPORTED[0]}", *options),
            *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
            *(f"--no-emit-package={name}" for name in FOLDERS),
            *(f"--group=pyproject.toml:{group}" for group in groups),
            *(f"--group=packages/{folder}/pyproject.toml:test" for folder in PACKAGES),
            *(f"--output-file={target}", str(requirements), *session.posargs),
        )

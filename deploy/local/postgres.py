"""A PostgreSQL server for a local stack, when its programs are on the machine: in a folder of its own, on no port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from processes import Stack

_USER = "weathervane"
_SETTINGS = (
    "listen_addresses=",
    # Nothing of it outlives the stack, so nothing of it needs to survive a power cut.
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    # Tables of a new database have no statistics, and for Prefect's long queries compiling then costs more than it
    # gains: the graph of a run took 4.8 s instead of more than 10 s (on a busy machine).
    "jit=off",
)


class NoPostgresError(Exception):
    """There is no PostgreSQL that Prefect can use; the message says why."""


def start_postgres(stack: Stack, folder: Path) -> str:
    """Starts a server that only this folder's owner can reach, by its socket; returns its URL for Prefect.

    Args:
        stack: Gets it as a part.
        folder: Empty, and with a short path: a socket's has at most 107 characters. It is given to the user that runs
            the server, who is not root.

    Raises:
        NoPostgresError: It is not installed, lacks the extension that Prefect needs, or cannot be set up.
        StartError: It was set up and did not start.
    """
    programs = _programs()
    user = _unprivileged()
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    login = ("--username", _USER, "--auth", "trust")
    _run(
        user,
        [str(programs / "initdb"), "-D", str(data), *login, "--encoding", "UTF8", "--no-locale", "--no-sync"],
    )
    # Prefect's tables need it, and only a superuser may create it; it is in a package of its own on some systems.
    _run(
        user,
        [str(programs / "postgres"), "--single", "-D", str(data), "-c", "exit_on_error=on", "postgres"],
        "CREATE EXTENSION pg_trgm\n",
    )
    settings = [*_SETTINGS, f"unix_socket_directories={folder}"]
    stack.program(
        "postgresql",
        [str(programs / "postgres"), "-D", str(data), *(word for one in settings for word in ("-c", one))],
        lambda: _is_ready(data / "postmaster.pid"),
        address=f"{folder}/.s.PGSQL.5432",
        user=user,
        # Ends the sessions that are still open, where SIGTERM would wait for them.
        stop=signal.SIGINT,
    )
    return f"postgresql+asyncpg://{_USER}@/postgres?host={quote(str(folder))}"


def _programs() -> Path:
    """The folder with `initdb` and `postgres`; distributions keep it off the PATH."""
    found = []
    if (on_path := shutil.which("initdb")) is not None:
        found.append(Path(on_path).resolve().parent)
    if (config := shutil.which("pg_config")) is not None:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        found.append(Path(told.stdout.strip()))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in found:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    raise NoPostgresError("it is not installed")


def _version(programs: Path) -> float:
    name = programs.parent.name
    return float(name) if name.replace(".", "", 1).isdigit() else 0.0


def _unprivileged() -> str | None:
    """Who runs it when we are root: it refuses root. None means us."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgresError("it refuses to run as root, and there is neither a user postgres nor nobody")


def _run(user: str | None, command: list[str], statement: str | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            input=statement,
            stdin=subprocess.DEVNULL if statement is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user,
            extra_groups=[] if user else None,
        )
    except OSError as error:
        raise NoPostgresError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = [
            line
            for line in done.stderr.splitlines()
            if "ERROR:" in line or "FATAL:" in line or "error:" in line
        ]
        raise NoPostgresError((said or done.stderr.splitlines() or ["it said nothing"])[0].strip())


def _is_ready(lock_file: Path) -> bool:
    """Whether the server says so in its lock file's eighth line, which `pg_ctl` reads too."""
    try:
        lines = lock_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"

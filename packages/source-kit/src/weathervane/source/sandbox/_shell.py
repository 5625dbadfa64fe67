"""Running a pretend vendor: in a thread for a test, or as a command of its own, until a signal."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from weathervane.source.sandbox._calls import Calls
from weathervane.source.sandbox._options import SandboxOptions
from weathervane.source.sandbox._server import SandboxError, run_until_signalled, serving

__all__ = ["Apps", "Running", "running", "sandbox_command"]

Apps = list[tuple[Any, socket.socket]]
"""ASGI applications, each with the socket on which it is served."""


@dataclass(frozen=True)
class Running:
    """A pretend vendor that is being served."""

    url: str
    """In place of the vendor's own host."""

    @property
    def control_url(self) -> str:
        """Base URL of the control routes."""
        return f"{self.url}/_sandbox"

    def ready(self) -> dict[str, Any]:
        """What the ready line tells beside the URLs."""
        return {}


_O = TypeVar("_O", bound=SandboxOptions)
_R = TypeVar("_R", bound=Running)
Prepared = Callable[[_O, str, int], AbstractContextManager[tuple[_R, Apps]]]
"""Makes the vendor and binds its host and port; within, it is ready to be served."""


@contextmanager
def running(prepared: Prepared[_O, _R], options: _O) -> Iterator[_R]:
    """Serves a pretend vendor on free ports, in a thread of this process, until the block ends.

    Raises:
        SandboxError: The server did not come up.
    """
    with prepared(options, "127.0.0.1", 0) as (vendor, apps), serving(_counted(apps, options)):
        yield vendor


def sandbox_command(
    program: str, description: str, kind: type[_O], prepared: Prepared[_O, _R]
) -> Callable[..., None]:
    """The command that serves a pretend vendor until SIGTERM or SIGINT.

    It prints one JSON line on stdout when its ports listen. Exit code 2: the options are no good; 1: it cannot listen;
    0: it was stopped. It takes the arguments, if not those of the process.
    """

    def main(argv: Sequence[str] | None = None) -> None:
        given = vars(_parser(program, description, kind).parse_args(argv))
        host, port = given.pop("host"), given.pop("port")
        try:
            options = _read(kind, given)
            with prepared(options, host, port) as (vendor, apps):
                urls = {"url": vendor.url, "control_url": vendor.control_url}
                line = json.dumps({"event": "ready", **urls, **vendor.ready()})
                run_until_signalled(_counted(apps, options), lambda: print(line, flush=True))
        except OSError as error:
            _stop(program, 2, f"{error.filename}: {error.strerror}")
        except (ValueError, TypeError) as error:
            _stop(program, 2, error)
        except SandboxError as error:
            _stop(program, 1, error)

    return main


def _counted(apps: Apps, options: SandboxOptions) -> Apps:
    calls = Calls(options.latency)
    return [(calls.of(app), sock) for app, sock in apps]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        _stop(self.prog, 2, f"{message} (--help lists the options)")


def _stop(program: str, code: int, error: object) -> NoReturn:
    sys.stderr.write(f"{program}: {error}\n")
    sys.exit(code)


def _parser(program: str, description: str, kind: type[SandboxOptions]) -> _Parser:
    parser = _Parser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 = a free one (default: %(default)s)")
    types = get_type_hints(kind)
    for one in fields(kind):
        # Whatever is not given is left out: its default is the dataclass's.
        how = {**_how(types[one.name], one.metadata), "default": argparse.SUPPRESS}
        shown: Any = one.default
        if _is_texts(types[one.name]):
            shown = ",".join(shown)
        text = one.metadata["help"]
        # Unless there is none, or the help speaks of it, or it is of a form of its own.
        if not (shown is False or shown in (None, "", ()) or "default" in text or one.metadata["read"]):
            text += f" (default: {shown})"
        word = one.metadata["word"] or one.name.replace("_", "-")
        parser.add_argument(f"--{word}", dest=one.name, help=text.replace("%", "%%"), **how)
    return parser


def _how(kind: Any, rules: Any) -> dict[str, Any]:
    """How argparse takes an option of this type."""
    name = {"metavar": rules["metavar"]} if rules["metavar"] else {}
    if isinstance(kind, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if get_origin(kind) is tuple and (rules["read"] or get_args(kind)[0] is Path):
        return {"action": "append", **name}
    return {"type": {int: int, float: float, datetime: _moment}.get(kind, str), **name}


def _is_texts(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[0] is str


def _read(kind: type[_O], given: dict[str, Any]) -> _O:
    types = get_type_hints(kind)
    for one in fields(kind):
        if one.name not in given:
            continue
        value, read = given[one.name], one.metadata["read"]
        if read is not None:
            given[one.name] = tuple(map(read, value)) if isinstance(value, list) else read(value)
        elif _is_texts(types[one.name]):
            given[one.name] = tuple(text.strip() for text in value.split(","))
    return kind(**given)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-01T06:00:00Z") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs an offset or Z")
    return found

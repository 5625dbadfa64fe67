"""What the command lines of all pretend vendors share: one clear line for whatever is wrong."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any, NoReturn

__all__ = ["CommandParser", "moment", "stop"]


class CommandParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and exits with 2. Its help names every option's default."""

    def add_argument(self, *names: str, **given: Any) -> argparse.Action:
        """As argparse does; the default is added to the help, unless it is nothing or the help speaks of it."""
        action = super().add_argument(*names, **given)
        nothing = action.default is False or action.default in (None, "", [], (), argparse.SUPPRESS)
        if action.help and not nothing and "default" not in action.help:
            action.help += " (default: %(default)s)"
        return action

    def error(self, message: str) -> NoReturn:
        """End the program with the message."""
        stop(self.prog, 2, f"{message} (--help lists the options)")


def stop(program: str, code: int, error: object) -> NoReturn:
    """End the program with one line on stderr and an exit code."""
    sys.stderr.write(f"{program}: {error}\n")
    sys.exit(code)


def moment(text: str) -> datetime:
    """An option's time, which names its offset; ArgumentTypeError otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-01T06:00:00Z") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs an offset or Z")
    return found

"""Commands that need an extra of their package, and say so where it is not installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

__all__ = ["extra_command"]


def extra_command(module: str, wheel: str) -> Callable[[], None]:
    """A command for a package's `[project.scripts]`: the `main` of a module that needs an extra.

    The module is imported when the command is called. Where a library is missing that the extra brings, the command is
    one line on stderr that names the extra, and exit code 2.

    Args:
        module: `weathervane.shopify.sandbox.__main__`.
        wheel: What brings the library: `weathervane-shopify[sandbox]`.
    """

    def command() -> None:
        try:
            main = importlib.import_module(module).main
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "weathervane":
                raise  # a fault of ours, which no extra mends
            sys.stderr.write(
                f"error: this command needs {error.name}, which an extra brings: pip install '{wheel}'\n"
            )
            raise SystemExit(2) from None
        main()

    return command

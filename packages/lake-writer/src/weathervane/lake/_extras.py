"""Console scripts that need an extra of their package, and name it if it is not installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

__all__ = ["extra_command"]


def extra_command(module: str, wheel: str) -> Callable[[], None]:
    """A function for `[project.scripts]` that imports a module when it is called, and runs the module's `main`.

    If a library of the extra is missing, it prints one line on stderr that names the extra, and exits with code 2.

    Args:
        module: The module, e.g. `weathervane.shopify.sandbox.__main__`.
        wheel: The distribution with the extra, e.g. `weathervane-shopify[sandbox]`.
    """

    def command() -> None:
        try:
            main = importlib.import_module(module).main
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "weathervane":
                raise  # a bug of this repository, which installing an extra does not fix
            sys.stderr.write(
                f"error: this command needs {error.name}, which an extra brings: pip install '{wheel}'\n"
            )
            raise SystemExit(2) from None
        main()

    return command

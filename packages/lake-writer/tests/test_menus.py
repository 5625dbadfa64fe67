"""The menus are complete, and a client does not import the server's libraries."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

MENUS = ["weathervane.lake", "weathervane.rpc", "weathervane.lake.server", "weathervane.lake.flows"]


@pytest.mark.parametrize("name", MENUS)
def test_a_menu_is_complete_and_in_order(name: str) -> None:
    """`__all__` is sorted and has exactly the module's names that are not modules."""
    menu = importlib.import_module(name)
    offered = {
        key
        for key, value in vars(menu).items()
        if not key.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(menu.__all__) == offered
    # Constants, then classes, then functions, as ruff sorts them.
    kinds = [(not key.isupper(), not key[0].isupper(), key) for key in menu.__all__]
    assert kinds == sorted(kinds)


@pytest.mark.parametrize("name", MENUS)
def test_everything_public_says_what_it_is(name: str) -> None:
    """Everything on a menu has a docstring."""
    menu = importlib.import_module(name)
    mute = [key for key in menu.__all__ if callable(getattr(menu, key)) and not getattr(menu, key).__doc__]
    assert not mute


def test_the_namespace_belongs_to_nobody() -> None:
    """A `weathervane/__init__.py` would hide all other packages."""
    import weathervane

    assert weathervane.__file__ is None
    assert {"lake", "rpc"} <= {module.name for module in pkgutil.iter_modules(weathervane.__path__)}


def test_the_command_without_its_extra_names_it() -> None:
    """The package without extras is the client; the command needs the extra `[server]`."""
    code = "import sys; sys.modules['deltalake'] = None; from weathervane.lake.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "deltalake" in done.stderr
    assert "pip install 'weathervane-lake-writer[server]'" in done.stderr


def test_a_client_loads_no_engine() -> None:
    """A source that only writes needs neither deltalake nor Polars."""
    code = "import sys, weathervane.lake, weathervane.rpc; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"deltalake", "obstore", "polars", "typer", "prefect", "pandas", "stamina"} & set(
        done.stdout.split()
    )

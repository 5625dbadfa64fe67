"""A command without its extra says which one, in one line."""

from __future__ import annotations

import sys

import pytest

from weathervane.lake import extra_command


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that a command can be of."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_a_command_without_its_extra_names_it(module, capsys):
    """Exit code 2, and nothing of a traceback."""
    command = extra_command(module("lacking", "import no_such_library_anywhere\n"), "weathervane-x[sandbox]")
    with pytest.raises(SystemExit) as caught:
        command()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no_such_library_anywhere" in line
    assert line.endswith("pip install 'weathervane-x[sandbox]'")


def test_a_command_with_its_extra_is_called(module, capsys):
    """As if nothing stood before it."""
    extra_command(module("whole", "def main(): print('called')\n"), "weathervane-x[sandbox]")()
    assert capsys.readouterr().out == "called\n"


def test_a_module_of_ours_that_is_missing_is_no_matter_of_extras(module):
    """It would be a fault of the package, which must be seen."""
    command = extra_command(module("broken", "import weathervane.nothing\n"), "weathervane-x[sandbox]")
    with pytest.raises(ModuleNotFoundError, match=r"weathervane\.nothing"):
        command()

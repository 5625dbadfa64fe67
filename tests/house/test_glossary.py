"""The words of docs/glossary.md are those of the code."""

import re
from pathlib import Path

GLOSSARY = "docs/glossary.md"


def test_sources_call_the_same_things_by_the_same_names(root: Path) -> None:
    """A file that the glossary names is in two sources at least, and those that every source needs are in all."""
    named = set(re.findall(r"^\| .*$", (root / GLOSSARY).read_text().rpartition("| file |")[2], re.MULTILINE))
    words = {word for line in named for word in re.findall(r"`(_\w+)`", line)}
    has = {
        source.name: {path.stem for path in source.iterdir()}
        for package in sorted(root.glob("packages/*/prefect.yaml"))
        for source in (package.parent / "src" / "weathervane").iterdir()
        if (source / "_source.py").exists()
    }
    assert len(has) == 4
    for source, stems in has.items():
        every = {
            "_settings",
            "_credentials",
            "_client",
            "_verdict",
            "_refusals",
            "_tables",
            "_reader",
            "_estimate",
            "_source",
        }
        assert every <= stems, f"{source} lacks {sorted(every - stems)}"
    for word in words:
        assert sum(word in stems for stems in has.values()) >= 2, f"{word}: one source only"


def test_the_glossary_has_one_line_a_word(root: Path) -> None:
    """Else one word would mean two things."""
    words = re.findall(r"^\| (\w[\w -]*) \|", (root / GLOSSARY).read_text(), re.MULTILINE)
    assert len(words) == len(set(words)) > 30


def test_a_module_of_a_source_has_one_subject(root: Path) -> None:
    """More than 300 lines have two, as Meta's client (calls and accounts) and reader (plans and slices) had."""
    packages = {path.parent for path in root.glob("packages/*/prefect.yaml")}
    modules = [
        path
        for package in packages
        for path in (package / "src" / "weathervane").rglob("*.py")
        if (package / "src" / "weathervane" / package.name.replace("-", "_")) in path.parents
        and "sandbox" not in path.parts
    ]
    assert len(modules) > 60
    lines = {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in modules}
    assert {path: count for path, count in lines.items() if count > 300} == {}

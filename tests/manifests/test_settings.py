"""What containers are told is what the programs in them listen to, and no secret is written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from prefect.settings.legacy import _get_valid_setting_names
from prefect.settings.models.root import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
PACKAGES = DEPLOY.parent / "packages"

OTHERS = {
    # The images of Python and PostgreSQL, and Prefect's telemetry.
    *("PYTHONUNBUFFERED", "DO_NOT_TRACK", "PATH"),
    *("POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "PGDATA"),
    "PREFECT_SERVER_ENCRYPTION_KEY",  # read past Prefect's settings (prefect.server.utilities.encryption)
}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|AUTH|CREDENTIAL", re.IGNORECASE)


def examples() -> Iterator[tuple[str, str, str]]:
    """Go through the lines of the example files: file, name, value."""
    for path in sorted((DEPLOY / "secrets").glob("*.env.example")):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                name, equals, value = line.partition("=")
                assert equals, f"{path.name}: {line} is not NAME=value"
                yield path.name.removesuffix(".env.example"), name, value


def told(
    compose: dict[str, Any], manifests: list[dict[str, Any]], containers: dict[Any, Any]
) -> Iterator[str]:
    """Go through the names of all variables that any container is given."""
    for service in compose["services"].values():
        yield from service["environment"]
    for container in containers.values():
        yield from (one["name"] for one in container.get("env", ()))
    for resource in manifests:
        if resource["kind"] == "ConfigMap":
            yield from resource["data"]
    for instruction in re.findall(r"^ENV (.*(?:\\\n.*)*)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        yield from re.findall(r"(\w+)=", instruction)
    yield from (name for _, name, _ in examples())


def test_every_variable_is_one_that_something_reads(
    compose: dict[str, Any], manifests: list[dict[str, Any]], containers: dict[Any, Any]
) -> None:
    """A name with a typing error is silence: nobody would notice before the night."""
    ours = "".join(path.read_text() for path in PACKAGES.glob("*/src/weathervane/**/*.py"))
    ours += (DEPLOY / "entrypoint.sh").read_text()
    engines = {}
    for one in ("deltalake", "obstore"):
        (engine,) = (file for file in distribution(one).files or () if file.suffix == ".so")
        engines[one] = Path(str(engine.locate())).read_bytes()
    known = _get_valid_setting_names(Settings)
    for name in sorted(set(told(compose, manifests, containers)) - OTHERS):
        if name.startswith("PREFECT_"):
            assert name in known, f"Prefect has no setting {name}"
        elif name.startswith("AWS_"):
            for one, code in engines.items():
                assert name.lower().encode() in code, f"{one} does not read {name}"
        elif "__" not in name:  # a tenant's credentials have a test of their own
            assert re.search(rf"\b{name}\b", ours), f"nothing reads {name}"


def test_examples_name_the_credentials_that_a_source_needs(sources: list[str]) -> None:
    """Every required field, and only fields that there are, for the tenant `acme`."""
    for source in sources:
        module = source.replace("-", "_")
        menu = import_module(f"weathervane.{module}")
        (credentials,) = (getattr(menu, name) for name in menu.__all__ if name.endswith("Credentials"))
        prefix = f"WEATHERVANE_{module}__ACME__".upper()
        named = [name for file, name, _ in examples() if file == source]
        assert named, f"deploy/secrets/{source}.env.example is missing"
        strangers = [name for name in named if not name.startswith(prefix)]
        assert not strangers, f"{source}.env.example: {strangers} are not {prefix}…"
        fields = {name.removeprefix(prefix).lower() for name in named}
        required = {name for name, field in credentials.model_fields.items() if field.is_required()}
        assert required <= fields <= credentials.model_fields.keys(), (
            f"{source}.env.example: {sorted(fields)}"
        )


def test_a_secret_has_a_name_and_no_value(
    compose: dict[str, Any], manifests: list[dict[str, Any]], containers: dict[Any, Any], committed: set[str]
) -> None:
    """Neither in the examples, nor anywhere else in the files; and what is filled in is not committed."""
    assert all(value == "" for _, _, value in examples())
    assert "Secret" not in {resource["kind"] for resource in manifests}
    named = [(one["name"], one["value"]) for each in containers.values() for one in each.get("env", ())]
    named += [pair for one in manifests if one["kind"] == "ConfigMap" for pair in one["data"].items()]
    named += [pair for service in compose["services"].values() for pair in service["environment"].items()]
    for name, value in named:
        assert not (SECRET.search(name) and value), f"{name} has a value"
        assert not re.search(r"://[^/]*@", value or ""), f"{name} has a password in its address"
    assert not [name for name in committed if name.startswith("deploy/secrets/") and name.endswith(".env")]


def test_every_secret_that_is_named_has_its_example(
    compose_files: set[str], manifests: list[dict[str, Any]], containers: dict[Any, Any]
) -> None:
    """Compose takes the files themselves, Kubernetes a Secret of the same name made of each."""
    has = {path.name.removesuffix(".env.example") for path in (DEPLOY / "secrets").glob("*.env.example")}
    refs = {
        source["secretRef"]["name"]
        for container in containers.values()
        for source in container.get("envFrom", ())
        if "secretRef" in source
    }
    assert compose_files == has
    assert refs == has

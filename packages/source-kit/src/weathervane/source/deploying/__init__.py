"""Registers the packages' deployments with a Prefect server; the command `weathervane-deploy`."""

from weathervane.source.deploying.automations import RESUMING, SILENCE, TAG, automations
from weathervane.source.deploying.changes import Change, Kind
from weathervane.source.deploying.definitions import Definition, read_definitions
from weathervane.source.deploying.errors import DeployError, ServerError
from weathervane.source.deploying.packages import GROUP, Package, installed_packages
from weathervane.source.deploying.registering import deploy

__all__ = [
    "GROUP",
    "RESUMING",
    "SILENCE",
    "TAG",
    "Change",
    "Definition",
    "DeployError",
    "Kind",
    "Package",
    "ServerError",
    "automations",
    "deploy",
    "installed_packages",
    "read_definitions",
]

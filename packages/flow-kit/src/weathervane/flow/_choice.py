"""Which of a flow's deployments is meant when nobody names one: that of the package itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse

from weathervane.flow._automations import TAG
from weathervane.flow._definitions import read_definitions
from weathervane.flow._packages import DeployError, installed_packages

__all__ = ["Candidates", "candidates", "meant"]


class Candidates(TypedDict):
    """The filters of `read_deployments`."""

    flow_filter: FlowFilter
    deployment_filter: DeploymentFilter


def candidates(flow: str) -> Candidates:
    """By these a client finds the flow's deployments of ours."""
    return {
        "flow_filter": FlowFilter(name=FlowFilterName(any_=[flow])),
        "deployment_filter": DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])),
    }


def meant(found: Sequence[DeploymentResponse], source: str, flow: str) -> list[DeploymentResponse]:
    """Of several, those that the `prefect.yaml` of the source's package names; all of them, if it names none."""
    if len(found) < 2:
        return list(found)
    try:
        packages = installed_packages([source.replace("_", "-")])
        own = {one.entry.name for one in read_definitions(packages) if one.flow.name == flow}
    except DeployError:
        own = set()
    return [one for one in found if one.name in own] or list(found)

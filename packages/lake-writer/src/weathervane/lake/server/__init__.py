"""The lake writer's server; it needs the extra `weathervane-lake-writer[server]`."""

from weathervane.lake.server.services import lake_services
from weathervane.lake.server.settings import LakeSettings

__all__ = ["LakeSettings", "lake_services"]

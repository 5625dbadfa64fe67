"""Opens a lake's store in obstore with the same options and environment that deltalake uses for it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from obstore.store import ObjectStore, from_url

from weathervane.lake.server.store import store_failures

__all__ = ["open_store"]


def open_store(root: str, options: Mapping[str, str]) -> ObjectStore:
    """Opens the store of a lake's URL, with credentials and options from the environment too.

    Args:
        root: The URL.
        options: As deltalake takes them: for requests (`timeout`, `aws_allow_http`), for retries (`max_retries`,
            `retry_timeout`) and for the store.

    Raises:
        OSError: The store does not know an option, or cannot be configured with it.
        ValueError: A duration or number cannot be parsed.
    """
    config: dict[str, str] = {}
    # If client_options are passed, obstore ignores those of the environment, so these are passed on here.
    client = {
        plain: value
        for name, value in os.environ.items()
        if (plain := _PREFIX.sub("", name.lower())) in _OF_A_REQUEST and plain != name.lower()
    }
    retry: dict[str, int | timedelta] = {}
    for key, value in options.items():
        name = key.lower()
        plain = _PREFIX.sub("", name)
        if plain == "max_retries":
            retry[plain] = int(value)
        elif plain == "retry_timeout":
            retry[plain] = _duration(value)
        elif plain in _OF_A_REQUEST:
            client[plain] = value
        else:
            config[name] = value
    with store_failures():
        return cast(
            ObjectStore,
            cast(Any, from_url)(
                root, config=config, client_options=client or None, retry_config=retry or None
            ),
        )


_PREFIX = re.compile("^(aws|azure|google)_")
_OF_A_REQUEST = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "pool_idle_timeout", "pool_max_idle_per_host",
     "proxy_url", "proxy_ca_certificate", "proxy_excludes", "randomize_addresses", "read_timeout", "root_certificate",
     "timeout", "user_agent"}
)  # fmt: skip
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+) ?(ms|s|m|h)", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration such as '10s'")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

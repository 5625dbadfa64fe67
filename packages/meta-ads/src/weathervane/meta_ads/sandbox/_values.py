"""Parameters of a call as the API takes them: lists by commas or as JSON, objects as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from weathervane.meta_ads.sandbox._errors import GraphError

__all__ = ["bad", "listed", "parsed", "truthy"]


# A text in single quotes, as Meta takes it in JSON beside the double ones.
_SINGLE = re.compile(r"'([^']*)'")


def bad(message: str, *, subcode: int | None = None) -> GraphError:
    """An invalid parameter."""
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def listed(params: Mapping[str, str], name: str) -> list[str] | None:
    """A list by commas or as a JSON array; None when it is not given.

    Commas within braces and parentheses are a member's own: `name,creative{id,name}` are two.
    """
    given = params.get(name)
    if given is None or not given.strip():
        return None
    if given.lstrip().startswith("["):
        found = parsed(given, name)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise bad(f"Param {name} must be an array of strings.")
        return found
    members, depth = [""], 0
    for letter in given:
        depth += (letter in "{(") - (letter in "})")
        if letter == "," and depth <= 0:
            members.append("")
        else:
            members[-1] += letter
    return [member.strip() for member in members if member.strip()]


def parsed(given: str, name: str) -> Any:
    """A parameter that is JSON; its texts may stand in single quotes."""
    try:
        if '"' not in given:
            given = _SINGLE.sub(lambda text: json.dumps(text[1]), given)
        return json.loads(given)
    except ValueError:
        raise bad(f"Param {name} must be valid JSON.") from None


def truthy(params: Mapping[str, str], name: str) -> bool:
    """A switch."""
    return params.get(name, "").strip('"').lower() in ("true", "1")

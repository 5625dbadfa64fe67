"""What a vendor says, without the secrets that it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import SecretStr

__all__ = ["masked"]

_MASK = "[...]"


def masked(
    text: str, secrets: Iterable[SecretStr | str | None] = (), shaped: re.Pattern[str] | None = None
) -> str:
    """A text without these secrets, and without whatever has a token's shape. Do it before a text is cut.

    Args:
        text: A sentence of the vendor's.
        secrets: What the caller holds; one that is None or empty is none.
        shaped: The vendor's own tokens, as far as they have a form, for those that the caller does not hold.
    """
    known = {one.get_secret_value() if isinstance(one, SecretStr) else one for one in secrets}
    # The longest first: one may be a part of another.
    for secret in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return shaped.sub(_MASK, text) if shaped is not None else text

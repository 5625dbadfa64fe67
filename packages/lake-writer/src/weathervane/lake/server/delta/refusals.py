"""Recognises a storage that refuses access (rights, credentials, a bucket's name), which only a person can correct."""

from __future__ import annotations

import errno
import re

__all__ = ["refusal"]

_REFUSING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# The texts of object_store 0.13 in deltalake 1.6.6, as seen with a real S3 server. They contain colours.
_COLOUR = re.compile(r"\x1b\[\d*m")
_STATUS = re.compile(r"non-2xx status code\W+((\d{3}) [A-Z][A-Za-z ]*[a-z])")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_OF_THE_DISK = re.compile(r"\(os error (\d+)\)")
_WORDS = re.compile(
    r"lacked the necessary privileges|lacked valid authentication credentials|incorrectly configured region"
    r"|Account must be specified|is not valid for store"
)
_MAY_PASS = frozenset({408, 409, 412, 425, 429})
"""Statuses from 300 to 499 that are no refusal: the store was busy, or another writer came first."""


def refusal(error: BaseException) -> str | None:
    """How a storage refused access: an errno's name, or an HTTP status with the store's code; None for other failures.

    The store's own message is left out, because it contains addresses.

    Args:
        error: The exception of Python, Arrow or deltalake.
    """
    number = getattr(error, "errno", None)
    if number in _REFUSING:
        return errno.errorcode[number]
    text = _COLOUR.sub("", str(error))
    if (found := _OF_THE_DISK.search(text)) and int(found[1]) in _REFUSING:
        return errno.errorcode[int(found[1])]
    # A missing file is no refusal. A missing bucket is one, and does not raise FileNotFoundError.
    if isinstance(error, FileNotFoundError):
        return None
    code = _CODE.search(text)
    if (status := _STATUS.search(text)) and 300 <= int(status[2]) < 500 and int(status[2]) not in _MAY_PASS:
        # S3 answers 400 for an upload that stalled, which may succeed later.
        if code and code[1] == "RequestTimeout":
            return None
        return f"{status[1]}, {code[1]}" if code else status[1]
    words = _WORDS.search(text)
    return words[0] if words else None

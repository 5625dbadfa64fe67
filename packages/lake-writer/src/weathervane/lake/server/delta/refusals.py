"""What a storage says when it will not, and only a person can change that: rights, credentials, the bucket's name."""

from __future__ import annotations

import errno
import re

__all__ = ["refusal"]

_REFUSING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# All below as object_store 0.13 says it through deltalake 1.6.6 (seen against a real S3 server). It colours its words.
_COLOUR = re.compile(r"\x1b\[\d*m")
_STATUS = re.compile(r"non-2xx status code\W+((\d{3}) [A-Z][A-Za-z ]*[a-z])")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_OF_THE_DISK = re.compile(r"\(os error (\d+)\)")
_WORDS = re.compile(
    r"lacked the necessary privileges|lacked valid authentication credentials|incorrectly configured region"
    r"|Account must be specified|is not valid for store"
)
_MAY_PASS = frozenset({408, 409, 412, 425, 429})
"""Of the statuses 300 to 499: the store was busy, or another writer came first."""


def refusal(error: BaseException) -> str | None:
    """How a storage refused, without its words, for they hold addresses; None when it did not, or may do it yet.

    Args:
        error: What Python, Arrow or deltalake raised.
    """
    number = getattr(error, "errno", None)
    if number in _REFUSING:
        return errno.errorcode[number]
    text = _COLOUR.sub("", str(error))
    if (found := _OF_THE_DISK.search(text)) and int(found[1]) in _REFUSING:
        return errno.errorcode[int(found[1])]
    # What is not there is another matter; a bucket that is not there is no FileNotFoundError.
    if isinstance(error, FileNotFoundError):
        return None
    code = _CODE.search(text)
    if (status := _STATUS.search(text)) and 300 <= int(status[2]) < 500 and int(status[2]) not in _MAY_PASS:
        # S3 has a 400 for an upload that stalled.
        if code and code[1] == "RequestTimeout":
            return None
        return f"{status[1]}, {code[1]}" if code else status[1]
    words = _WORDS.search(text)
    return words[0] if words else None

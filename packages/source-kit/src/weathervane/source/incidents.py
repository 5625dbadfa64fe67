"""Errors that nobody foresaw: their text may hold anything, so it stays in the log of the process."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weathervane.lake import LakeError
from weathervane.source.errors import InternalError, SourceError

__all__ = ["contained"]

# Not below `weathervane`, which a deployment sends to Prefect.
log = logging.getLogger("incidents")


@contextmanager
def contained() -> Iterator[None]:
    """Lets errors pass that are made to be shown, and has an InternalError in place of any other.

    It says of which kind the error was and where it arose. The rest is logged here, under the number that it names.
    """
    try:
        yield
    except (SourceError, LakeError):
        raise
    except Exception as error:
        incident = uuid.uuid4().hex[:12]
        log.error("incident %s", incident, exc_info=error)
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise InternalError(
            f"internal error: {type(error).__name__} at {Path(at.filename).name}:{at.lineno}, in {at.name}; the log of"
            f" the process that ran it has the rest, under incident {incident}",
            reason="INTERNAL",
        ) from None

"""`python -m weathervane.rpc.probe 127.0.0.1:50051`: a health check of a gRPC server, for orchestrators.

Exit code 0: the server is serving. 1: it is not, or does not answer. 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from weathervane.rpc import health

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the check and returns the exit code; prints one line on stderr unless the server is serving."""
    parser = argparse.ArgumentParser(prog="python -m weathervane.rpc.probe", description=__doc__)
    parser.add_argument("target", help="host:port")
    parser.add_argument("--service", default="", help="full proto name; default: the whole server")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds (default: 5)")
    wanted = parser.parse_args(arguments)
    host, colon, port = wanted.target.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        parser.error(f"{wanted.target!r} is not host:port")
    if not 0 < wanted.timeout < float("inf"):
        parser.error("--timeout must be more than 0 seconds")
    status = health(wanted.target, wanted.service, timeout=wanted.timeout)
    if status == "SERVING":
        return 0
    print(f"{wanted.service or 'the server'} at {wanted.target} is not serving: {status}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""What every pretend vendor shares: a clock, faults, a recorder, control routes and a server on free ports.

Sandboxes are for tests and demonstrations. No client code imports this package, and it needs the
`sandbox` extra (starlette and uvicorn).
"""

from weathervane.source.sandbox._clock import Clock
from weathervane.source.sandbox._command import CommandParser, moment, stop
from weathervane.source.sandbox._control import PretendVendor, control_routes
from weathervane.source.sandbox._faults import Fault, Faults
from weathervane.source.sandbox._hostile import HTTP_FAULTS, replacement, spoiled
from weathervane.source.sandbox._json_text import JSON_DECODER, json_bytes, read_json
from weathervane.source.sandbox._recorder import Recorder, SeenRequest, fingerprint
from weathervane.source.sandbox._server import SandboxError, bind, run_until_signalled, serving, url_of

__all__ = [
    "HTTP_FAULTS",
    "JSON_DECODER",
    "Clock",
    "CommandParser",
    "Fault",
    "Faults",
    "PretendVendor",
    "Recorder",
    "SandboxError",
    "SeenRequest",
    "bind",
    "control_routes",
    "fingerprint",
    "json_bytes",
    "moment",
    "read_json",
    "replacement",
    "run_until_signalled",
    "serving",
    "spoiled",
    "stop",
    "url_of",
]

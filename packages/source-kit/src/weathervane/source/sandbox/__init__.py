"""What every pretend vendor shares: a clock, faults, a recorder, control routes and a server on free ports.

Sandboxes are for tests and demonstrations. No client code imports this package, and it needs the
`sandbox` extra (starlette and uvicorn).
"""

from weathervane.source.sandbox._clock import Clock
from weathervane.source.sandbox._control import PretendVendor, control_routes
from weathervane.source.sandbox._faults import Fault, Faults
from weathervane.source.sandbox._hostile import HTTP_FAULTS, replacement, spoiled
from weathervane.source.sandbox._json_text import JSON_DECODER, json_bytes, read_json
from weathervane.source.sandbox._options import CURRENCY, ZONE, Rule, SandboxOptions, option
from weathervane.source.sandbox._recorder import Recorder, SeenRequest, fingerprint
from weathervane.source.sandbox._server import SandboxError, bind, serving, url_of
from weathervane.source.sandbox._shell import Apps, Running, running, sandbox_command
from weathervane.source.sandbox._truth import Later, TableTruth

__all__ = [
    "CURRENCY",
    "HTTP_FAULTS",
    "JSON_DECODER",
    "ZONE",
    "Apps",
    "Clock",
    "Fault",
    "Faults",
    "Later",
    "PretendVendor",
    "Recorder",
    "Rule",
    "Running",
    "SandboxError",
    "SandboxOptions",
    "SeenRequest",
    "TableTruth",
    "bind",
    "control_routes",
    "fingerprint",
    "json_bytes",
    "option",
    "read_json",
    "replacement",
    "running",
    "sandbox_command",
    "serving",
    "spoiled",
    "url_of",
]

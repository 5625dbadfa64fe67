"""Generated stubs of `weathervane.source.v1`; written by `nox -s proto_write`, imported by module name."""

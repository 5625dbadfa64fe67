"""Generated stubs of `weathervane.lake.v1`; written by `nox -s proto_write`, imported by module name."""

"""The real Prefect server that the tests share."""

pytest_plugins = ["weathervane.flow.testing.fixtures"]

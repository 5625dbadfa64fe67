"""The outside of a source: its gRPC service, its commands, its backfill."""

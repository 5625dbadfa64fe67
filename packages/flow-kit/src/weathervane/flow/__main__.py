"""`weathervane-deploy`, also as `python -m weathervane.flow`."""

from __future__ import annotations

from weathervane.flow._environment import prefer

__all__ = ["main"]


def main() -> None:
    """Runs the command; its own module imports Prefect, which reads the environment as it is imported."""
    prefer()
    from weathervane.flow._command import app

    app()


if __name__ == "__main__":
    main()

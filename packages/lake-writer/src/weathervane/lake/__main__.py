"""The command `weathervane-lake-writer`, or `python -m weathervane.lake`; it needs the extra `[server]`."""

from __future__ import annotations

from weathervane.lake._extras import extra_command

__all__ = ["main"]

main = extra_command("weathervane.lake.server.__main__", "weathervane-lake-writer[server]")
"""The console script."""

if __name__ == "__main__":
    main()

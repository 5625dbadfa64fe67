"""The demo as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    return subprocess.run(
        [sys.executable, "deploy/local/demo.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "WEATHERVANE_DEMO_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

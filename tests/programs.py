"""flashmoe as a program, for tests of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import flashmoe

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(flashmoe.__file__).parents[1]), str(ROOT)]),
    "TERM": "dumb",
    "NO_COLOR": "1",
}
DEMO = Path(flashmoe.__file__).parent / "demo"
needs_demo = pytest.mark.skipif(not DEMO.is_dir(), reason="this build has no demo model")


def program(*arguments: str, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flashmoe", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=120,
        **options,
    )

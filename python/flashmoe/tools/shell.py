"""A shell in the working folder: asked about before it runs, with limits on time and output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..errors import UsageError
from .toolbox import Tool, tool

OUTPUT_MOST = 16_000  # bytes that are kept: the first half and the last
SECONDS = 60.0


def shell_tool(folder: str | Path, seconds: float = SECONDS) -> Tool:
    """run_shell, in a folder. A command that runs longer than `seconds` is ended with all that it has started."""
    root = Path(folder).resolve()

    def run_shell(command: str) -> str:
        """Run a command in a shell and get its output.

        command: for /bin/sh, in the working folder; it gets no input
        """
        if not command.strip() or "\0" in command:
            raise UsageError("there is no command")
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        kept = _Kept()
        reader = threading.Thread(target=kept.read, args=(process.stdout,), daemon=True)
        reader.start()
        end = ""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            end = f"\n(ended after {seconds:g} s)"
        finally:
            _kill(process)
        reader.join(1)
        status = "" if end or process.returncode == 0 else f"\n(exit status {process.returncode})"
        return (kept.text() + end + status).strip() or "(no output)"

    def preview(arguments: Mapping[str, Any]) -> str:
        return f"{arguments.get('command')}\n\nin {root}, for at most {seconds:g} s"

    return tool(run_shell, ask=True, preview=preview)


class _Kept:
    """Output as it comes: the beginning and the end, however much there is between."""

    def __init__(self) -> None:
        self._head, self._tail, self._lost = bytearray(), bytearray(), 0

    def read(self, stream: IO[bytes]) -> None:
        half = OUTPUT_MOST // 2
        with stream, suppress(ValueError):
            while piece := os.read(stream.fileno(), 1 << 16):
                room = half - len(self._head)
                self._head += piece[:room]
                self._tail += piece[room:]
                if len(self._tail) > half:
                    self._lost += len(self._tail) - half
                    del self._tail[:-half]

    def text(self) -> str:
        gap = f"\n… ({self._lost:,} bytes are left out)\n" if self._lost else ""
        return self._head.decode("utf-8", "replace") + gap + self._tail.decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a command and what it left running in the background."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

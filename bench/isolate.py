"""A process of its own, under a memory limit that the kernel enforces, watched from outside.

The limit is that of a control group, version 1 or 2, made below the one that this process is in, so limits that are
there already go on to hold. Page cache that the process causes counts towards it, as on a machine with that memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
V1 = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes")
V2 = ("memory.max", "memory.swap.max", "memory.peak")


class NoLimit(Exception):
    """This machine gives no control group."""


def _own_group() -> tuple[Path, bool]:
    """The memory group of this process, and whether it is of version 1."""
    second = None
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            for root in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
                if (group := Path(root) / path.lstrip("/")).is_dir() and (group / V1[0]).exists():
                    return group, True
            return Path("/sys/fs/cgroup/memory"), True
        if number == "0":
            second = Path("/sys/fs/cgroup") / path.lstrip("/")
    if second is None or not second.is_dir():
        raise NoLimit("no memory control group is visible here")
    return second, False


class Group:
    """A control group with a limit in bytes. Its directory goes with `close`, once its processes have ended."""

    def __init__(self, limit: int) -> None:
        parent, first = _own_group()
        names = V1 if first else V2
        self.path = parent / f"flashmoe-bench-{os.getpid()}-{time.monotonic_ns() % 10**9}"
        try:
            if not first and "memory" not in (parent / "cgroup.subtree_control").read_text().split():
                (parent / "cgroup.subtree_control").write_text("+memory")
            self.path.mkdir()
            (self.path / names[0]).write_text(str(limit))
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.rmdir()
            raise NoLimit(f"a control group below {parent} cannot be made: {error}") from None
        with contextlib.suppress(OSError):  # without swap, where that can be said
            (self.path / names[1]).write_text(str(limit) if first else "0")
        self._peak = self.path / names[2]

    @property
    def peak(self) -> int | None:
        """Most bytes ever charged, page cache included."""
        try:
            return int(self._peak.read_text())
        except (OSError, ValueError):
            return None

    def enter(self) -> None:
        """Moves the calling process in (between fork and exec)."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def close(self) -> None:
        for _ in range(50):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Process:
    """python -m MODULE ARGUMENTS with pipes for stdin and stdout, within `limit` bytes if given."""

    def __init__(
        self, module: str, *arguments: str, limit: int | None = None, environment: dict[str, str] | None = None
    ) -> None:
        self.group = Group(limit) if limit else None
        self.peak_rss = 0
        self.pipe: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=self.group.enter if self.group else None,
        )

    def look(self) -> int:
        """Peak resident set so far in bytes, as the kernel keeps it; mapped files count."""
        with contextlib.suppress(OSError, StopIteration, IndexError):
            lines = Path(f"/proc/{self.pipe.pid}/status").read_text().splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM"))
            self.peak_rss = max(self.peak_rss, int(peak.split()[1]) * 1024)
        return self.peak_rss

    def pause(self) -> None:
        self.pipe.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.pipe.send_signal(signal.SIGCONT)

    @property
    def killed(self) -> bool:
        """Whether the kernel ended it, for want of memory."""
        return self.pipe.poll() == -signal.SIGKILL

    def close(self) -> dict[str, Any]:
        """Ends it. Its peaks in bytes."""
        self.look()
        with contextlib.suppress(OSError, ValueError):
            self.pipe.stdin.close()  # type: ignore[union-attr]
        try:
            self.pipe.wait(20)
        except subprocess.TimeoutExpired:
            self.pipe.kill()
            self.pipe.wait()
        peaks = {"peak_rss": self.peak_rss}
        if self.group:
            peaks["peak_group"] = self.group.peak or 0
            self.group.close()
        return peaks


def drop_caches(files: Iterable[Path]) -> None:
    """Forgets what the page cache holds of these files, and everything else where this process may say so."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    with contextlib.suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("1")


class ReadAhead:
    """with ReadAhead(path, 128): the kernel reads at most so many KiB ahead on the disk of the path. None leaves it.
    What was there before comes back."""

    def __init__(self, path: Path, kib: int | None) -> None:
        self._kib = kib
        device = path.stat().st_dev
        self._file = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/read_ahead_kb")
        if kib is not None and not self._file.exists():  # a partition's queue is its disk's
            self._file = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/../queue/read_ahead_kb")
        self._before = ""

    def __enter__(self) -> None:
        if self._kib is not None:
            self._before = self._file.read_text()
            self._file.write_text(str(self._kib))

    def __exit__(self, *error: object) -> None:
        if self._before:
            self._file.write_text(self._before)

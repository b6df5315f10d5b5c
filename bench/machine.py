"""What the machine can do and what was run on it: carried by every result."""

from __future__ import annotations

import mmap
import os
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from flashmoe import _core, doctor

from .isolate import ROOT, drop_caches

DISK_SIZES = (64 << 10, 576 << 10, 1 << 20, 4 << 20)
DEPTHS = (1, 4, 16)
MEMORY_BUFFER = 1 << 30  # well beyond any cache


def commit() -> str:
    """The commit that this checkout is at, "-dirty" when files differ from it; "" outside git."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(asked, capture_output=True, text=True)
    return found.stdout.strip()


def identity() -> dict[str, Any]:
    """Processor, limits, versions, commit and command: fast, for every result file."""
    return {
        "processor": doctor.processor(), "cores": doctor.cores(), "features": doctor.features(),
        "memory_total": doctor.memory_total(), "memory_limit": doctor.cgroup_memory_available(),
        "versions": doctor.packages(), "kernels": _core.kernel_names()[0], "commit": commit(),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]), "when": time.strftime("%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip


def memory_rate(threads: int) -> float:
    """Bytes per second that so many threads read from memory."""
    return _core.measure_memory(min(MEMORY_BUFFER, doctor.memory_available() // 4), threads)


def disk_rate(path: Path, size: int = 576 << 10, seconds: float = 1.0) -> float:
    """Bytes per second of direct reads of `size` bytes, the best of the depths; buffered where direct is refused."""
    rates = doctor.measure_disk(path, seconds, size)
    return max((rates.direct or rates.buffered).values())


def by_mapping(path: Path, size: int, seconds: float) -> float:
    """Bytes per second of page faults on a mapping, `size` bytes at a time at random places, one thread."""
    length = path.stat().st_size
    draw = random.Random(1)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        start, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < seconds:
            at = draw.randrange(max(1, (length - size) // 4096)) * 4096
            done += len(mapped[at : at + size])
    return done / passed


def facts(path: Path, seconds: float = 0.4) -> dict[str, Any]:
    """Memory by threads; disk by read size, depth and kind. Bytes per second. path: a large file of the model;
    seconds: for each, short enough that a file is not read twice."""
    cores = doctor.cores()
    threads = sorted({*(1 << i for i in range(cores.bit_length())), cores})
    disk: dict[str, dict[str, dict[str, float]]] = {}
    for size in DISK_SIZES:
        row: dict[str, dict[str, float]] = {}
        for kind, direct in (("direct", True), ("buffered", False)):
            for depth in DEPTHS:
                drop_caches([path])
                try:
                    rate = _core.measure_disk(str(path), size, depth, direct, seconds)
                except Exception:
                    continue  # the file system refuses direct reads
                row.setdefault(kind, {})[str(depth)] = rate
        drop_caches([path])
        row["mmap"] = {"1": by_mapping(path, size, seconds)}
        disk[str(size)] = row
    device = path.stat().st_dev
    ahead = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/read_ahead_kb")
    return {
        "memory": {str(n): memory_rate(n) for n in threads},
        "disk": disk,
        "read_ahead_kib": int(ahead.read_text()) if ahead.exists() else None,
    }

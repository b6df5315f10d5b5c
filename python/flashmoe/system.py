"""What the machine has free: memory as the system and its control group see it, and sizes as people write them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from .errors import UsageError

_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "kib": 2**10, "m": 10**6, "mb": 10**6, "mib": 2**20,
          "g": 10**9, "gb": 10**9, "gib": 2**30, "t": 10**12, "tb": 10**12, "tib": 2**40}  # fmt: skip

# Of what is free, this share goes to the model when no budget is given, and at least this much stays free.
AUTO_SHARE = 0.7
AUTO_SPARE = 1 << 30


def parse_size(value: int | str, least: int = 1) -> int:
    """Bytes of a size such as 8589934592, "8GiB", "8 GB" or "512MiB".

    Raises UsageError when it is no size or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(f"{value!r} is not a size; write bytes or something like '8GiB'")
    if isinstance(value, int):
        size = value
    else:
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", value)
        if not match or match[2].lower() not in _UNITS:
            raise UsageError(f"{value!r} is not a size; write bytes or something like '8GiB', '512MiB' or '8GB'")
        size = int(float(match[1]) * _UNITS[match[2].lower()])
    if size < least:
        raise UsageError(f"a size must {'be positive' if least else 'not be negative'}, not {value!r}")
    return size


def format_size(size: float) -> str:
    """A size for people, in binary units: "5.3 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _read_int(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # cgroup v2 says "max" for no limit


def _inactive_file(directory: Path) -> int:
    """Page cache of a control group that the kernel drops first; it is charged, but free in effect."""
    try:
        lines = (directory / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    stat = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))


def _cgroup_directories() -> list[tuple[Path, str, str]]:
    """The control groups of this process with a memory limit, each as (directory, limit file, usage file)."""
    found = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            roots = [(Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
                     (Path("/sys/fs/cgroup/unified"), "memory.max", "memory.current")]  # fmt: skip
        elif "memory" in controllers.split(","):
            roots = [(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")]
        else:
            continue
        for root, limit, usage in roots:
            directory = root / path.lstrip("/")
            # A limit may sit on any ancestor; inside a container only the root may be visible.
            while True:
                found.append((directory, limit, usage))
                if directory == root:
                    break
                directory = directory.parent
    return found


def cgroup_memory_available() -> int | None:
    """Bytes that this process's control groups still allow, or None when none has a limit."""
    left = None
    for directory, limit_name, usage_name in _cgroup_directories():
        limit = _read_int(directory / limit_name)
        usage = _read_int(directory / usage_name)
        if limit is None or usage is None or limit >= 1 << 60:
            continue
        free = max(0, limit - usage + _inactive_file(directory))
        left = free if left is None else min(left, free)
    return left


def memory_available() -> int:
    """Bytes that can be used now without pushing others out: of the machine, or of the tightest control group."""
    free = None
    if sys.platform == "darwin":
        free = _mac_available()
    else:
        try:
            for line in Path("/proc/meminfo").read_text().splitlines():
                if line.startswith("MemAvailable:"):
                    free = int(line.split()[1]) * 1024
        except OSError:
            pass
    if free is None:
        free = memory_total() // 2
    limited = cgroup_memory_available()
    return free if limited is None else min(free, limited)


def memory_total() -> int:
    """Bytes of physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _mac_available() -> int | None:
    """Free, inactive and purgeable pages, as vm_stat prints them."""
    try:
        text = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    page = int(re.search(r"page size of (\d+)", text)[1])  # type: ignore[index]
    pages = {name: int(count) for name, count in re.findall(r"Pages (\w+):\s+(\d+)", text)}
    return page * sum(pages.get(name, 0) for name in ("free", "inactive", "speculative", "purgeable"))


def default_host_memory() -> int:
    """What a card's second tier of experts may take when nothing is said. It is pinned, so nothing else can use it: at
    most half of what is free."""
    free = memory_available()
    return max(0, min(free // 2, free - 4 * AUTO_SPARE))


def default_card_budget(free: int) -> int:
    """The budget of a card with so many bytes free when none is given; the driver takes some beside it."""
    return max(1, min(int(free * 0.95), free - AUTO_SPARE))


def default_budget() -> int:
    """The memory budget when none is given: a safe share of what is free."""
    free = memory_available()
    return max(1, min(int(free * AUTO_SHARE), free - AUTO_SPARE) if free > 4 * AUTO_SPARE else free // 2)

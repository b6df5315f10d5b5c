"""What this machine can do, measured: the figures that say how fast a model will run, and why it runs the way
it does."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import FlashMoeError
from .reader import BUFFERED, DIRECT, cache_has_room
from .system import cgroup_memory_available, default_budget, memory_available, memory_total

if TYPE_CHECKING:
    from .spec import ModelSpec

PACKAGES = ("numpy", "tokenizers", "jinja2", "rich", "prompt_toolkit", "huggingface_hub")
# Instruction sets that kernels are written for, or may be.
FEATURES = (
    *(
        "sse4_2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
    ),
    *("avx_vnni", "amx_int8", "amx_bf16", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"),
)
READ_SIZE = 1 << 20  # about an expert of a large model at 4 bits
DEPTHS = (1, 4, 8)


@dataclass(frozen=True)
class Disk:
    """Random reads of `read_size` bytes from a file. direct, buffered: bytes per second by reads in flight;
    direct is empty where the file system does not allow it. Buffered reads may come from the page cache."""

    path: str
    read_size: int
    direct: dict[int, float]
    buffered: dict[int, float]
    refusal: str = ""


@dataclass(frozen=True)
class Outlook:
    """What a model would do here: tokens per second that memory allows when no expert has to be read, and
    that the disk allows when all have to. Arithmetic is not in it, so these are ceilings."""

    model: str
    bytes_per_token: int
    expert_bytes_per_token: int
    all_in_memory: float
    none_in_memory: float


@dataclass(frozen=True)
class Report:
    """Sizes in bytes, rates in bytes per second. memory_rates: by number of threads."""

    versions: dict[str, str]
    system: str
    processor: str
    cores: int
    features: tuple[str, ...]
    kernels: tuple[str, ...]
    memory_total: int
    memory_available: int
    memory_limit: int | None  # what the control group still allows
    budget: int
    memory_rates: dict[int, float]
    disk: Disk
    backend: str
    backend_reason: str
    backends: dict[str, str]  # every one, and why it cannot be used here, or nothing
    reader: str
    reader_reason: str
    outlook: Outlook | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(model: str | None = None, size: int = 256 << 20, seconds: float = 1.0) -> Report:
    """Measures this machine: memory, and the disk that a model is on, or else that of the hub's downloads.

    size: of the file that is written and deleted when there is no model. seconds: for each measurement of the
    disk.
    """
    from . import _core
    from .gpu.choose import choose
    from .gpu.selftest import usable
    from .model import open_spec

    spec = open_spec(model) if model else None
    kernels = tuple(_core.kernel_names())
    chosen = choose()
    rates = measure_memory()
    with _file_to_read(spec, size) as path:
        disk = measure_disk(path, seconds)
    reader, why = "direct", DIRECT
    if spec is not None and cache_has_room(spec, default_budget()):
        reader, why = "buffered", BUFFERED
    elif not disk.direct:
        reader, why = "buffered", disk.refusal
    return Report(
        versions={"flashmoe": __version__, "python": platform.python_version(), **packages()},
        system=system(),
        processor=processor(),
        cores=cores(),
        features=features(),
        kernels=kernels,
        memory_total=memory_total(),
        memory_available=memory_available(),
        memory_limit=cgroup_memory_available(),
        budget=default_budget(),
        memory_rates=rates,
        disk=disk,
        backend=chosen.backend,
        backend_reason=chosen.reason if chosen.backend != "cpu" else f"{chosen.reason}; {kernels[0]} kernels",
        backends=usable(),
        reader=reader,
        reader_reason=why,
        outlook=_outlook(str(model), spec, max(rates.values()), disk) if spec is not None else None,
    )


def measure_memory() -> dict[int, float]:
    """Rate of reading memory, by threads: 1, 2, 4 and so on, up to one for each core."""
    from . import _core

    size = max(16 << 20, min(1 << 30, memory_available() // 8))  # beyond any cache
    most = cores()
    threads = sorted({*(1 << i for i in range(most.bit_length())), most})
    return {n: _core.measure_memory(size, n) for n in threads}


def measure_disk(path: Path, seconds: float, read_size: int = READ_SIZE) -> Disk:
    """Rate of random reads of `read_size` bytes from a file."""
    from . import _core

    size = min(read_size, path.stat().st_size // 4096 * 4096 or 4096)
    direct: dict[int, float] = {}
    refusal = ""
    try:
        for depth in DEPTHS:
            direct[depth] = _core.measure_disk(str(path), size, depth, True, seconds)
    except FlashMoeError as error:
        refusal = str(error)
    _forget(path)
    buffered = {depth: _core.measure_disk(str(path), size, depth, False, seconds) for depth in DEPTHS[:1]}
    return Disk(str(path), size, direct, buffered, refusal)


def _outlook(model: str, spec: ModelSpec, memory: float, disk: Disk) -> Outlook | None:
    from .model import plan_memory

    try:
        plan = plan_memory(spec)
    except FlashMoeError:
        return None
    experts = plan.expert_bytes_per_token
    rate = max((disk.direct or disk.buffered).values())
    return Outlook(
        model=model,
        bytes_per_token=plan.dense_bytes_per_token + experts,
        expert_bytes_per_token=experts,
        all_in_memory=memory / max(1, plan.dense_bytes_per_token + experts),
        none_in_memory=rate / max(1, experts),
    )


@contextmanager
def _file_to_read(spec: ModelSpec | None, size: int) -> Iterator[Path]:
    """The largest file of a model; without one, a file of noise that is deleted in the end."""
    if spec is not None:
        yield max(spec.files, key=lambda path: path.stat().st_size)
        return
    block = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile(prefix="flashmoe-doctor-", dir=_downloads()) as file:
        for _ in range(max(1, size >> 20)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        yield Path(file.name)


def _downloads() -> Path | None:
    """The folder, or what there is of it, that the hub's downloads go to; None if it cannot be written to."""
    home = os.environ.get("HF_HOME") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home)
    existing = next((part for part in (folder, *folder.parents) if part.is_dir()), None)
    return existing if existing is not None and os.access(existing, os.W_OK) else None


def _forget(path: Path) -> None:
    """Asks the system to drop the file from its page cache, where that can be asked."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def packages() -> dict[str, str]:
    """Versions of what this program uses."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def system() -> str:
    """Its name and version, and the machine's architecture."""
    mac = platform.mac_ver()[0]
    name = f"macOS {mac}" if mac else f"{platform.system()} {platform.release()}"
    return f"{name} {platform.machine()}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Its name."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def features() -> tuple[str, ...]:
    """Those of FEATURES that the processor has."""
    info = _cpuinfo()
    if sys.platform == "darwin":
        words = {name for name in ("asimd", "asimddp", "i8mm", "bf16") if platform.machine() == "arm64"}
        for name, key in (("asimddp", "FEAT_DotProd"), ("i8mm", "FEAT_I8MM"), ("bf16", "FEAT_BF16")):
            if _sysctl(f"hw.optional.arm.{key}") != "1":
                words.discard(name)
    else:
        words = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(name for name in FEATURES if name in words)


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _sysctl(name: str) -> str:
    import subprocess

    try:
        return subprocess.run(
            ["sysctl", "-n", name], capture_output=True, text=True, timeout=5
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""

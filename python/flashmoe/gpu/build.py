"""Compiles the shaders with clang: for the soft device here and now, cached; for CUDA as PTX."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import FlashMoeError
from . import translate

HERE = Path(__file__).parent
CLANG_LEAST = 16


def shader_folder() -> Path:
    """Where the .metal sources are: in the package, or beside it in a checkout."""
    for folder in (HERE.parent / "shaders", HERE.parents[2] / "shaders"):
        if (folder / "types.h").exists():
            return folder
    raise FlashMoeError("the shaders are missing from this installation of flashmoe; install it again")


def find_clang() -> str | None:
    """A clang++ of at least version 16, newest first; $FLASHMOE_CLANG wins."""
    names = [f"clang++-{n}" for n in range(30, CLANG_LEAST - 1, -1)]
    for name in (os.environ.get("FLASHMOE_CLANG", ""), *names, "clang++"):
        path = shutil.which(name) if name else None
        if path and _version(path) >= CLANG_LEAST:
            return path
    return None


def _version(path: str) -> int:
    try:
        text = subprocess.run([path, "-dumpversion"], capture_output=True, text=True, timeout=20).stdout
        return int(text.split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def soft_library(folder: Path | None = None) -> Path:
    """The shaders as a library for the soft device. Compiled at the first use and kept in the user's cache.

    Raises FlashMoeError when there is no clang, or the compiler refuses.
    """
    source = translate.to_soft(translate.flatten(folder or shader_folder()))
    return compile_cached(source, ["-O2", "-shared", "-fPIC"], ".so")


def soft_program(source: str, flags: Sequence[str]) -> Path:
    """A program that runs one kernel on a case, for the tests. source: flattened Metal."""
    return compile_cached(translate.to_soft(source), ["-O1", "-g", "-DSOFT_MAIN", *flags], "")


def metal_source() -> Path:
    """The shaders as one file of Metal, which the system compiles; its archive of pipelines lies beside it."""
    source = translate.flatten(shader_folder(), lines=False)
    target = cache_folder() / f"shaders-{hashlib.sha256(source.encode()).hexdigest()[:24]}.metal"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            made = Path(work) / "made"
            made.write_text(source)
            os.replace(made, target)
    return target


# What the CUDA device asks for: (FORMAT, SCALE, ALIGNED) of every kernel that reads weights. Affine weights are always
# aligned there; rows of floats are if they are multiples of 16 bytes.
_FLOATS = (15, 16, 32)
CUDA_VARIANTS = (
    *((bits, scale, 1) for bits in (2, 3, 4, 5, 6, 8) for scale in _FLOATS),
    *((form, 15, aligned) for form in _FLOATS for aligned in (0, 1)),
)
# Where dispatches begin early (inputs_ready of common.h), and where they cannot.
CUDA_ARCHITECTURES = ("sm_80", "sm_90")


def cuda_place() -> Path:
    """Where the PTX modules for the CUDA device are, or would be: in the package, or in the user's cache."""
    packaged = HERE / "ptx"
    if (packaged / "complete").exists():
        return packaged
    return cache_folder() / f"ptx-{_digest('cuda', *(p.read_text() for p in sorted(shader_folder().iterdir())))}"


def cuda_folder() -> Path:
    """The folder of PTX modules for the CUDA device, which are compiled if they are not there."""
    folder = cuda_place()
    if not (folder / "complete").exists():
        compile_cuda(folder)
    return folder


def compile_cuda(folder: Path) -> None:
    """Writes base.ptx and one module for each variant into a folder for each architecture, as native/gpu/cuda.c looks
    for them, and a file `complete` last."""
    clang = find_clang()
    if clang is None:
        reason = HERE / "ptx" / "missing"  # left by ptx.cmake
        why = f" ({reason.read_text().strip()})" if reason.exists() else ""
        raise FlashMoeError(
            f"this installation has no CUDA kernels{why}, and no clang++ {CLANG_LEAST} or newer to compile them: "
            "install a released wheel of flashmoe, or clang"
        )
    (folder / "complete").unlink(missing_ok=True)
    weights = translate.to_cuda(shader_folder(), translate.WEIGHTS)
    base = translate.to_cuda(shader_folder(), translate.BASE)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for architecture in CUDA_ARCHITECTURES:
            inside = folder / architecture
            inside.mkdir(parents=True, exist_ok=True)
            jobs.append(pool.submit(_compile_ptx, clang, architecture, base, (4, 15, 1), inside / "base.ptx"))
            for variant in CUDA_VARIANTS:
                target = inside / "f{}s{}a{}.ptx".format(*variant)
                jobs.append(pool.submit(_compile_ptx, clang, architecture, weights, variant, target))
        for job in jobs:
            job.result()
    (folder / "complete").touch()


def _compile_ptx(clang: str, architecture: str, source: str, variant: tuple[int, int, int], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        text = Path(work) / "shaders.cu"
        text.write_text(source)
        defines = [f"-DFM_{name}={value}" for name, value in zip(("FORMAT", "SCALE", "ALIGNED"), variant, strict=True)]
        version = "+ptx70" if architecture == "sm_80" else "+ptx78"
        run_clang(
            [clang, "-x", "cuda", "--cuda-device-only", f"--cuda-gpu-arch={architecture}", "-nocudainc"]
            + ["-nocudalib", "-Xclang", "-target-feature", "-Xclang", version, "-std=c++17", "-O3"]
            + ["-ffp-contract=off", "-mllvm", "-nvptx-prec-divf32=0"]  # fast division, off by two last bits
            + ["-S", f"-I{HERE}", *defines, str(text), "-o", str(Path(work) / "made")]
        )
        os.replace(Path(work) / "made", target)


def _digest(*parts: str) -> str:
    headers = [p.read_bytes() for p in sorted((*HERE.glob("*.hpp"), *HERE.glob("*.h"), *HERE.glob("*.py")))]
    return hashlib.sha256("\0".join(parts).encode() + b"".join(headers)).hexdigest()[:24]


def compile_cached(source: str, flags: Sequence[str], suffix: str) -> Path:
    clang = find_clang()
    if clang is None:
        raise FlashMoeError(
            f'backend "soft" runs the GPU shaders on the CPU and needs clang++ {CLANG_LEAST} or newer to compile them; '
            "install it (Debian: apt install clang-19, macOS: xcode-select --install) or name it in $FLASHMOE_CLANG"
        )
    target = cache_folder() / f"shaders-{_digest(source, *flags, clang)}{suffix}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        text = Path(work) / "shaders.cpp"
        text.write_text(source)
        made = Path(work) / "made"
        common = ["-std=c++17", "-ffp-contract=off", "-Wall", "-Wno-unused-function", f"-I{HERE}"]
        run_clang([clang, *common, *flags, str(text), "-o", str(made)])
        os.replace(made, target)
    return target


def run_clang(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FlashMoeError(f"clang could not compile the shaders:\n{done.stderr[:4000]}")


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "flashmoe"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":  # python -m flashmoe.gpu.build FOLDER: the PTX modules, to take elsewhere
    import argparse

    parser = argparse.ArgumentParser(description="Compiles the CUDA kernels to PTX.")
    parser.add_argument("folder", type=Path)
    compile_cuda(parser.parse_args().folder)

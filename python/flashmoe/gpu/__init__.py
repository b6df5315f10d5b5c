"""The GPU shaders outside of a GPU: translating and compiling them. The backends themselves are native."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError


def prepare(backend: str) -> Path:
    """What the device of this name loads its kernels from. Raises FlashMoeError when it cannot be made."""
    from . import build

    if backend == "soft":
        return build.soft_library()
    if backend == "cuda":
        return build.cuda_folder()
    if backend == "metal":
        return build.metal_source()
    raise UsageError(f"backend {backend!r} does not exist in this version")

"""Runs one kernel on an NVIDIA card, from the PTX that the CUDA device uses, by way of the driver's own library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from flashmoe.gpu import build, translate

u64 = ctypes.c_uint64


@cache
def _driver() -> Any:
    """The driver with a context of the first card, or None."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    card, context = ctypes.c_int(), ctypes.c_void_p()
    if library.cuInit(0) or library.cuDeviceGet(ctypes.byref(card), 0):
        return None
    if library.cuDevicePrimaryCtxRetain(ctypes.byref(context), card) or library.cuCtxSetCurrent(context):
        return None
    return library


def available() -> bool:
    return _driver() is not None


def check(result: int, what: str) -> None:
    assert result == 0, f"{what}: CUDA error {result}"


@cache
def _base() -> set[str]:
    return {k.name for k in translate.parse(translate.flatten(build.shader_folder(), translate.BASE))[0]}


@cache
def architecture() -> str:
    major = ctypes.c_int()
    check(_driver().cuDeviceGetAttribute(ctypes.byref(major), 75, 0), "attribute")
    return "sm_90" if major.value >= 9 else "sm_80"


@cache
def function(name: str, variant: tuple[int, int, int]) -> ctypes.c_void_p:
    d = _driver()
    file = "base" if name in _base() else "f{}s{}a{}".format(*variant)
    text = (build.cuda_folder() / architecture() / f"{file}.ptx").read_bytes()
    module, found = ctypes.c_void_p(), ctypes.c_void_p()
    check(d.cuModuleLoadData(ctypes.byref(module), text), f"loading {file}.ptx")
    check(d.cuModuleGetFunction(ctypes.byref(found), module, name.encode()), name)
    return found


class Memory:
    """Memory of the card, freed with the object."""

    def __init__(self, content: np.ndarray | int) -> None:
        self.address = u64()
        size = content if isinstance(content, int) else content.nbytes
        check(_driver().cuMemAlloc_v2(ctypes.byref(self.address), ctypes.c_size_t(max(16, size))), "memory")
        if not isinstance(content, int):
            pointer = ctypes.c_void_p(content.ctypes.data)
            check(_driver().cuMemcpyHtoD_v2(self.address, pointer, ctypes.c_size_t(size)), "copy")

    def read(self, like: np.ndarray) -> np.ndarray:
        out = np.empty_like(like)
        pointer = ctypes.c_void_p(out.ctypes.data)
        check(_driver().cuMemcpyDtoH_v2(pointer, self.address, ctypes.c_size_t(out.nbytes)), "copy")
        return out

    def __del__(self) -> None:
        _driver().cuMemFree_v2(self.address)


def launch(kernel: ctypes.c_void_p, args: Sequence[Memory | bytes], groups: tuple[int, int, int], threads: int) -> None:
    values = [ctypes.create_string_buffer(a, len(a)) if isinstance(a, bytes) else a.address for a in args]
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
    check(_driver().cuLaunchKernel(kernel, *groups, threads, 1, 1, 0, None, pointers, None), "launch")


def run(
    kernel: str,
    args: Sequence[np.ndarray | bytes],
    groups: tuple[int, int, int],
    threads: int,
    constants: dict[str, int],
    memories: Sequence[np.ndarray],
    addresses: Sequence[Any],
) -> list[np.ndarray]:
    """As shader.run."""
    extra = [Memory(np.ascontiguousarray(m)) for m in memories]
    arrays = [a if isinstance(a, bytes) else np.ascontiguousarray(a).copy() for a in args]
    for a in addresses:
        table = arrays[a.table]
        table.reshape(-1).view(np.uint64)[a.offset // 8] = extra[a.memory - len(args)].address.value
    given = [a if isinstance(a, bytes) else Memory(a) for a in arrays]
    variant = (constants.get("FORMAT", 4), constants.get("SCALE", 15), constants.get("ALIGNED", 1))
    launch(function(kernel, variant), given, groups, threads)
    check(_driver().cuCtxSynchronize(), kernel)
    results = zip(given, arrays, strict=True)
    return [m.read(a) if isinstance(m, Memory) else np.frombuffer(a, np.uint8) for m, a in results]

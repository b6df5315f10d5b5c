"""Metal shaders as C++ for a CPU or as CUDA.

A translation is textual and small: it reads what a kernel's signature says, blanks the words and attributes that only
Metal has, and adds an entry for each kernel. What the words mean is in soft.hpp and cuda.hpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FlashMoeError

# Those that read weights, which are compiled for each format, and the rest.
WEIGHTS = ("matvec", "matmul", "embed")
BASE = ("rows", "router", "attention", "delta")
ORDER = WEIGHTS + BASE
# CUDA has kernels of its own where the shared source cannot come near the card's limits: docs/gpu.md says by how much.
CUDA_OWN = {"matmul": "cuda_matmul.hpp"}

_INCLUDE = re.compile(r'^\s*#include "([\w.]+)"\s*$')
_METAL_ONLY = re.compile(r"^\s*(#include <metal_\w+>|using namespace metal;)\s*$")
_KERNEL = re.compile(r"(?:\[\[max_total_threads_per_threadgroup\((\w+)\)\]\]\s*)?\bkernel\s+void\s+(\w+)\s*\(")
_ATTRIBUTE = re.compile(r"\s*\[\[\s*(\w+)(?:\(\s*(\d+)\s*\))?\s*\]\]")
_FUNCTION_CONSTANT = re.compile(r"^constant int (\w+) \[\[function_constant\((\d+)\)\]\];", re.MULTILINE)
_SHARED = re.compile(r"\bthreadgroup\s+(\w+)\s+(\w+)\s*\[([^\];]+)\]\s*;")

SOFT_BUILTINS = {
    "threadgroup_position_in_grid": "uint3{soft::position[0], soft::position[1], soft::position[2]}",
    "threadgroups_per_grid": "uint3{soft::grid[0], soft::grid[1], soft::grid[2]}",
    "thread_position_in_threadgroup": "uint3{soft::current->index, 0, 0}",
    "threads_per_threadgroup": "uint3{soft::threads, 1, 1}",
    "thread_index_in_simdgroup": "soft::current->index % 32",
    "simdgroup_index_in_threadgroup": "soft::current->index / 32",
    "simdgroups_per_threadgroup": "soft::threads / 32",
}
CUDA_BUILTINS = {
    "threadgroup_position_in_grid": "uint3{blockIdx_x(), blockIdx_y(), blockIdx_z()}",
    "threadgroups_per_grid": "uint3{gridDim_x(), gridDim_y(), gridDim_z()}",
    "thread_position_in_threadgroup": "uint3{threadIdx_x(), 0, 0}",
    "threads_per_threadgroup": "uint3{blockDim_x(), 1, 1}",
    "thread_index_in_simdgroup": "threadIdx_x() % 32",
    "simdgroup_index_in_threadgroup": "threadIdx_x() / 32",
    "simdgroups_per_threadgroup": "blockDim_x() / 32",
}


@dataclass
class Parameter:
    """One parameter of a kernel. kind: "read", "write" or "constants" for buffers, else "builtin"."""

    name: str
    type: str  # without address space
    kind: str
    index: int = -1  # of a buffer
    builtin: str = ""


@dataclass
class Kernel:
    name: str
    parameters: list[Parameter]
    shared: list[tuple[str, str, str]] = field(default_factory=list)  # type, name, length
    most_threads: str | None = None  # of a group, if it says so
    start: int = 0  # in the source
    open: int = 0  # of the body's brace
    close: int = 0

    @property
    def buffers(self) -> list[Parameter]:
        return sorted((p for p in self.parameters if p.kind != "builtin"), key=lambda p: p.index)


def flatten(folder: Path, names: tuple[str, ...] = ORDER, lines: bool = True) -> str:
    """The named shaders as one source, each header in its first place. lines: with #line directives."""
    seen: set[str] = set()
    out: list[str] = []

    def add(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        if lines:
            out.append(f'#line 1 "{name}"')
        for number, line in enumerate((folder / name).read_text().split("\n"), 1):
            if match := _INCLUDE.match(line):
                add(match[1])
                out.append(f'#line {number + 1} "{name}"' if lines else "")
            else:
                out.append(line)

    for name in names:
        add(f"{name}.metal")
    return "\n".join(out) + "\n"


def parse(source: str) -> tuple[list[Kernel], list[str]]:
    """The kernels of a flattened source, and the names of its function constants in order of their indices."""
    kernels = []
    for match in _KERNEL.finditer(source):
        end = _closing(source, match.end() - 1, "()")
        parameters = [_parameter(match[2], p) for p in _split(source[match.end() : end])]
        opening = source.index("{", end)
        kernel = Kernel(match[2], parameters, [], match[1], match.start(), opening, _closing(source, opening, "{}"))
        kernel.shared = [(m[1], m[2], m[3]) for m in _SHARED.finditer(source, kernel.open, kernel.close)]
        if [p.index for p in kernel.buffers] != list(range(len(kernel.buffers))):
            raise FlashMoeError(f"shader {kernel.name}: buffers must be numbered from 0 without gaps")
        kernels.append(kernel)
    constants = sorted((int(m[2]), m[1]) for m in _FUNCTION_CONSTANT.finditer(source))
    return kernels, [name for _, name in constants]


def to_soft(source: str) -> str:
    """C++ that builds, between soft.hpp and soft_end.hpp, into a library of kernels."""
    kernels, constants = parse(source)
    text = source
    for kernel in reversed(kernels):
        head = "static void " + _without_attributes(text[kernel.start : kernel.open]).split("void", 1)[1].lstrip()
        body = text[kernel.open : kernel.close]
        for i, (kind, name, _) in enumerate(kernel.shared):
            body = re.sub(
                rf"\bthreadgroup\s+{kind}\s+{name}\s*\[[^\];]+\]\s*;",
                f"{kind} *{name} = ({kind} *)soft::shared({i});",
                body,
            )
        text = text[: kernel.start] + head + body + text[kernel.close :]
    text = _FUNCTION_CONSTANT.sub(r"static int \1;", text)
    text = "\n".join("" if _METAL_ONLY.match(line) else line for line in text.split("\n"))
    parts = ['#include "soft.hpp"', "#define __METAL_VERSION__ 310", text, '#line 1 "entries"']
    table = []
    for kernel in kernels:
        arguments = []
        for p in kernel.parameters:
            if p.kind == "builtin":
                arguments.append(SOFT_BUILTINS[p.builtin])
            elif p.kind == "constants":
                arguments.append(f"*(const {p.type} *)args[{p.index}]")
            else:
                arguments.append(f"({p.type} *)args[{p.index}]")
        name = kernel.name
        parts.append(f"SOFT_UNSEEN static void {name}_call(void *const *args) {{ {name}({', '.join(arguments)}); }}")
        kinds = {"read": "FM_SOFT_READ, 0", "write": "FM_SOFT_WRITE, 0"}
        entries = ", ".join(
            f'{{"{p.name}", {kinds.get(p.kind, f"FM_SOFT_CONSTANTS, sizeof({p.type})")}}}' for p in kernel.buffers
        )
        parts.append(f"static const fm_soft_arg {name}_args[] = {{{entries}}};")
        shared = ", ".join(f"sizeof({kind}) * ({length})" for kind, _, length in kernel.shared) or "0"
        parts.append(f"static const size_t {name}_shared[] = {{{shared}}};")
        table.append(
            f'{{"{name}", {name}_call, {name}_args, {len(kernel.buffers)}, {name}_shared, {len(kernel.shared)}}}'
        )
    parts.append(f"static const fm_soft_kernel soft_kernels[] = {{{', '.join(table)}}};")
    names = ", ".join(f'"{name}"' for name in constants)
    values = ", ".join(f"&{name}" for name in constants)
    parts.append(f"static const char *const soft_constant_names[] = {{{names}}};")
    parts.append(f"static int *const soft_constant_values[] = {{{values}}};")
    parts.append('#include "soft_end.hpp"')
    return "\n".join(parts) + "\n"


def to_cuda(folder: Path, names: tuple[str, ...]) -> str:
    """The named shaders as CUDA, some of them replaced by CUDA_OWN."""
    source = flatten(folder, tuple(n for n in names if n not in CUDA_OWN))
    return _to_cuda(source, [CUDA_OWN[n] for n in names if n in CUDA_OWN])


def _to_cuda(source: str, own: list[str]) -> str:
    """CUDA for clang: kernels are extern "C" functions whose parameters are the buffers in order, constants by value.
    Function constants are macros FM_<name> of the compiler's command line."""
    kernels, _ = parse(source)
    text = source
    for kernel in reversed(kernels):
        head = _without_attributes(text[kernel.start : kernel.open]).split("void", 1)[1].lstrip()
        head = head.replace(kernel.name, f"{kernel.name}_body", 1)
        body = _SHARED.sub(r"__shared__ \1 \2[\3];", text[kernel.open : kernel.close + 1])
        outer, inner = [], []
        for p in kernel.parameters:
            inner.append(CUDA_BUILTINS[p.builtin] if p.kind == "builtin" else p.name)
        for p in kernel.buffers:
            if p.kind == "constants":
                outer.append(f"const {p.type} {p.name}")
            else:
                # Weights alone may be read through the cache that knows no order: see inputs_ready in common.h.
                outer.append(f"{p.type} *{'__restrict__ ' if p.type == 'const uchar' else ''}{p.name}")
        bounds = f"__attribute__((launch_bounds({kernel.most_threads}))) " if kernel.most_threads else ""
        ready = "" if "inputs_ready()" in body else "inputs_ready(); "
        wrapper = (
            f'\nextern "C" __global__ {bounds}void {kernel.name}({", ".join(outer)}) '
            f"{{ {ready}{kernel.name}_body({', '.join(inner)}); }}\n"
        )
        text = f"{text[: kernel.start]}inline void {head}{body}{wrapper}{text[kernel.close + 1 :]}"
    text = _FUNCTION_CONSTANT.sub(r"constexpr int \1 = FM_\1;", text)
    text = "\n".join("" if _METAL_ONLY.match(line) else line for line in text.split("\n"))
    text = re.sub(r"^inline ", "static inline __attribute__((always_inline)) ", text, flags=re.MULTILINE)
    # Not empty macros: CUDA's own attributes have these names.
    text = re.sub(r"\bconstant\b", "const", text)
    text = re.sub(r"\b(device|thread|threadgroup)\b(?=\s+\w)(?!\s*\()", "", text)
    end = "".join(f'#include "{file}"\n' for file in (*own, "cuda_end.hpp"))
    return f'#include "cuda.hpp"\n#define __METAL_VERSION__ 310\n{text}{end}'


def _without_attributes(text: str) -> str:
    return _ATTRIBUTE.sub(lambda m: "\n" * m[0].count("\n"), text)


def _closing(text: str, at: int, pair: str) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    raise FlashMoeError(f"shader source: '{pair[0]}' is never closed: {text[at : at + 60]!r}")


def _split(text: str) -> list[str]:
    """At commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{<") - (c in ")]}>")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _parameter(kernel: str, text: str) -> Parameter:
    attribute = _ATTRIBUTE.search(text)
    words = _ATTRIBUTE.sub("", text).split()
    if not attribute:
        raise FlashMoeError(f"shader {kernel}: parameter {' '.join(words)!r} has no attribute")
    name = words[-1].lstrip("*&")
    declared = " ".join(words)
    if attribute[1] != "buffer":
        if attribute[1] not in SOFT_BUILTINS:
            raise FlashMoeError(f"shader {kernel}: attribute {attribute[1]} is not in the dialect")
        return Parameter(name, words[0], "builtin", builtin=attribute[1])
    index = int(attribute[2])
    if match := re.fullmatch(r"constant (\w+) &\w+", declared):
        return Parameter(name, match[1], "constants", index)
    if match := re.fullmatch(r"device (const )?(\w+) \*\w+", declared):
        return Parameter(name, f"{match[1] or ''}{match[2]}", "read" if match[1] else "write", index)
    raise FlashMoeError(f"shader {kernel}: parameter {declared!r} is not in the dialect")

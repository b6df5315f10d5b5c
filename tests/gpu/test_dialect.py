"""The strict pass: the shaders use only what Metal has, with the right address spaces, and what docs/gpu.md allows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from flashmoe.gpu import build, translate

from .shader import needs_clang

FORBIDDEN = {
    r"\b(template|class|virtual|operator|new|delete|goto|try|throw|auto|typeid|decltype)\b": "not in the dialect",
    r"\b(double|INFINITY|NAN|HUGE_VALF)\b": "no doubles, no infinities",
    r"\[[&=]?\]\s*\(": "no lambdas",
    r"\bstatic\b": "no static variables; functions are inline",
    r"(?<![\w.])\d+\.\d+(?![\df])(?!e)": "a literal without f is a double",
    r"\bsimd_(sum|max)\([^()]*\?": "no choice inside a SIMD operation",
}


def _code() -> str:
    text = translate.flatten(build.shader_folder())
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_forbidden_words(pattern: str) -> None:
    found = re.search(pattern, _code())
    assert not found, f"{FORBIDDEN[pattern]}: {_code()[found.start() - 60 : found.end() + 60]!r}"


def test_limits_of_metal() -> None:
    kernels, constants = translate.parse(translate.flatten(build.shader_folder()))
    assert len(kernels) == len({k.name for k in kernels})
    assert constants == ["FORMAT", "SCALE", "ALIGNED"]
    for k in kernels:
        assert len(k.buffers) <= 31, k.name
        assert all(p.index < 31 for p in k.buffers), k.name
        assert [p.kind for p in k.buffers].count("constants") == 1, k.name


@needs_clang
def test_address_spaces(tmp_path: Path) -> None:
    source = translate.flatten(build.shader_folder())
    source = re.sub(r"#include <metal_\w+>|using namespace metal;", "", source)
    source = re.sub(r"\[\[function_constant\(\d\)\]\]", "= 4", source)
    # A local array in threadgroup memory is what C++ calls static.
    source = re.sub(r"(\n\s+)(threadgroup \w+ \w+\[[^\];]+\];)", r"\1static \2", source)
    file = tmp_path / "strict.cpp"
    file.write_text(f'#include "{Path(__file__).with_name("strict.hpp")}"\n' + source)
    clang = build.find_clang()
    assert clang
    flags = ["-std=c++14", "-fsyntax-only", "-Wall", "-Wextra", "-Wdouble-promotion", "-Werror"]
    ignored = ["-Wno-unknown-attributes", "-Wno-undefined-inline", "-Wno-unused-const-variable", "-Wno-sign-compare"]
    done = subprocess.run([clang, *flags, *ignored, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@needs_clang
def test_a_wrong_address_space_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = translate.flatten(build.shader_folder())
    fault = source.replace("threadgroup float4 *staged,", "device float4 *staged,", 1)
    assert fault != source
    monkeypatch.setattr(translate, "flatten", lambda folder: fault)
    with pytest.raises(AssertionError, match="no matching function"):
        test_address_spaces(tmp_path)

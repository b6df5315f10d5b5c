"""The CUDA kernels of a wheel: made by the build where there is a clang++, and where not it says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flashmoe.gpu import build

ROOT = Path(__file__).parents[2]
MODULES = {f"{name}.ptx" for name in ("base", *("f{}s{}a{}".format(*variant) for variant in build.CUDA_VARIANTS))}

# Answers as clang++ does, and compiles to the options that it was given.
CLANG = """#!/bin/sh
[ "$1" = -dumpversion ] && { echo "${FAKE_VERSION:-19.1.0}"; exit; }
said="$*"
while [ "$1" != -o ]; do shift; done
echo "$said" > "$2"
"""


@pytest.fixture
def fake_clang(tmp_path: Path) -> dict[str, str]:
    """An environment whose only compiler of kernels is that one."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cmake", "ninja", "gcc", "g++", "cc", "c++", "ld", "ar", "as", "sh", "uname"):
        if path := shutil.which(name):
            (tools / name).symlink_to(path)
    clang = tools / "clang++"
    clang.write_text(CLANG)
    clang.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CMAKE_")}  # such as ccache
    return {**kept, "PATH": str(tools), "FLASHMOE_CLANG": "", "CC": "", "CXX": ""}


def install(work: Path, environment: dict[str, str], *defines: str) -> tuple[Path, str]:
    """The kernels as a wheel would have them; what CMake said."""
    pybind11 = pytest.importorskip("pybind11")
    if not shutil.which("cmake") or not shutil.which("ninja"):
        pytest.skip("needs CMake and ninja")
    configure = ["cmake", "-S", ROOT, "-B", work / "build", "-G", "Ninja", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
                 f"-DPython_EXECUTABLE={sys.executable}", "-DSKBUILD_STATE=wheel", *defines]  # fmt: skip
    install = ["cmake", "--install", work / "build", "--component", "ptx", "--prefix", work / "wheel"]
    done = subprocess.run(configure, capture_output=True, text=True, env=environment)
    said = done.stdout + done.stderr
    if done.returncode == 0:
        if (work / "build" / "ptx" / "missing").exists():
            subprocess.run(install, check=True, env=environment)
        else:
            subprocess.run(["cmake", "--build", work / "build", "--target", "ptx"], check=True, env=environment)
            subprocess.run(install, check=True, env=environment)
    return work / "wheel" / "flashmoe" / "gpu" / "ptx", said


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no CUDA")
@pytest.mark.skipif((build.HERE / "ptx" / "complete").exists(), reason="the kernels are in the source")
def test_a_wheel_gets_the_kernels_where_there_is_a_clang(tmp_path: Path, fake_clang: dict[str, str]) -> None:
    made, _ = install(tmp_path, fake_clang)
    assert (made / "complete").exists() and not (made / "missing").exists()
    for architecture in build.CUDA_ARCHITECTURES:
        assert {path.name for path in (made / architecture).iterdir()} == MODULES
        assert architecture in (made / architecture / "base.ptx").read_text()


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no CUDA")
@pytest.mark.skipif((build.HERE / "ptx" / "complete").exists(), reason="the kernels are in the source")
def test_without_a_clang_the_wheel_says_so(tmp_path: Path, fake_clang: dict[str, str]) -> None:
    old = {**fake_clang, "FAKE_VERSION": "14.0.6"}
    made, _ = install(tmp_path / "auto", old)
    assert [path.name for path in made.iterdir()] == ["missing"]
    assert "no clang++" in (made / "missing").read_text()
    made, said = install(tmp_path / "on", old, "-DFLASHMOE_PTX=ON")
    assert not made.exists() and "needs a clang++" in said


@pytest.mark.skipif("FLASHMOE_RELEASED" not in os.environ, reason="only a released wheel must have them")
def test_a_released_wheel_has_every_module() -> None:
    ptx = build.HERE / "ptx"
    assert (ptx / "complete").exists()
    for architecture in build.CUDA_ARCHITECTURES:
        for name in MODULES:
            assert ".visible .entry" in (ptx / architecture / name).read_text(), f"{architecture}/{name}"

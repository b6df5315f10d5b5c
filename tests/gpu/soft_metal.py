"""Builds the package's core with the Metal device (native/gpu/metal.m) over a soft Metal (tests/gpu/metal), and runs
jobs with it, each in a process of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from flashmoe.gpu import build

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "native" / "gpu" / "metal.m"


class SoftMetalError(Exception):
    """What the soft Metal, the compiler or Python said."""


def missing() -> str:
    """What this machine lacks, or nothing."""
    clang = build.find_clang()
    if sys.platform != "linux" or clang is None:
        return "needs Linux and clang"
    for tool in ("cmake", "ninja", "gcc"):
        if not shutil.which(tool):
            return f"needs {tool}"
    if importlib.util.find_spec("pybind11") is None:
        return "needs pybind11"
    if not Path("/usr/include/GNUstep/Foundation/Foundation.h").exists():
        return "needs GNUstep (Debian: libgnustep-base-dev libobjc-12-dev)"
    return ""


needs_soft_metal = pytest.mark.skipif(bool(missing()), reason=missing() or "nothing is missing")


@cache
def core(fault: tuple[str, str] | None = None) -> Path:
    """The extension module, made once for each state of the sources; fault: a replacement in metal.m."""
    import pybind11

    source = SOURCE.read_text()
    if fault:
        assert source.count(fault[0]) == 1, f"{source.count(fault[0])} places like {fault[0]!r}"
        source = source.replace(*fault)
    place = build.cache_folder() / f"soft-metal-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}"
    place.mkdir(exist_ok=True)
    file = SOURCE
    name = f"metal-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    if fault:
        file = place / f"{name}.m"
        file.write_text(source)
    clang = str(build.find_clang()).replace("clang++", "clang")
    configure = [
        *("cmake", "-S", ROOT, "-B", place, "-G", "Ninja", "-DFLASHMOE_SOFT_METAL=ON"),
        *(f"-DCMAKE_OBJC_COMPILER={clang}", f"-DFLASHMOE_METAL_M={file}"),
        *(f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}"),
        f"-DCMAKE_MAKE_PROGRAM={shutil.which('ninja')}",  # the folder may remember that of an environment that is gone
    ]
    for command in (configure, ["cmake", "--build", place, "--target", "_core"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    made = place / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    copy = place / f"{name}{made.suffix}"  # the next fault is built into the same place
    shutil.copyfile(made, copy)
    return copy


def run(script: str, *arguments: object, fault: tuple[str, str] | None = None, **settings: object) -> str:
    """Runs a script with flashmoe on that core; returns what it wrote. settings: SOFT_METAL_* of soft_metal.m.
    Raises SoftMetalError."""
    load = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('flashmoe._core', {str(core(fault))!r})\n"
        "core = importlib.util.module_from_spec(spec)\n"
        "sys.modules['flashmoe._core'] = core\n"
        "spec.loader.exec_module(core)\n"
    )
    environment = {
        **os.environ,
        "SOFT_METAL_LIBRARY": str(build.soft_library()),
        "SOFT_METAL_SEED": "1",
        **{f"SOFT_METAL_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-c", load + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    if done.returncode:
        raise SoftMetalError(f"exit {done.returncode}: {done.stderr[-3000:]}")
    return done.stdout

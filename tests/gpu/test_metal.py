"""native/gpu/metal.m, run on a soft Metal that keeps Metal's rules (tests/gpu/metal): the same bits as the soft device,
whatever the order of what is unordered, and planted faults of the host's code that must be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from flashmoe.gpu import build, prepare

from ..fixtures import Fixture, fixture, fixtures
from . import soft_metal
from .soft_metal import needs_soft_metal

# argv: folder, smallest budget or not. Prints "same" when metal and soft agree in every bit.
COMPARE = """
import numpy as np, flashmoe
path, tight = sys.argv[1], sys.argv[2] == "True"
ids = np.random.default_rng(1).integers(0, 60, 13).tolist()
spec = flashmoe.open_spec(path)
def logits(backend):
    memory = flashmoe.plan_memory(spec, backend=backend, memory="1GiB", context=64).smallest if tight else 1 << 28
    model = flashmoe.Model(path, backend=backend, memory=memory, context=64)
    with model.session() as session:
        block = session.eval(ids[:9], all_logits=True)
        return np.concatenate([block, [session.eval([token]) for token in ids[9:]]])
a, b = logits("metal"), logits("soft")
assert np.isfinite(a).all()
print("same" if np.array_equal(a, b) else f"{(a != b).sum()} of {a.size} values differ")
"""
ONE = """
import flashmoe
model = flashmoe.Model("demo", backend="metal", memory="128MiB", context=64)
with model.session() as session:
    session.eval([1, 2, 3])
    session.eval([4])
print("done")
"""


def counts(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another cache of shaders and pipelines."""
    soft_metal.core()
    library = build.soft_library()
    monkeypatch.setattr(build, "soft_library", lambda: library)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "flashmoe"


def test_the_source_is_whole() -> None:
    text = prepare("metal").read_text()
    assert '#include "' not in text and "#line" not in text
    assert "kernel void matvec(" in text and "kernel void delta_scan(" in text


@needs_soft_metal
@pytest.mark.parametrize("case", fixtures(), ids=lambda f: f.name)
def test_metal_gives_the_bits_of_soft(case: Fixture) -> None:
    assert soft_metal.run(COMPARE, case.folder, False).split() == ["same"]


@needs_soft_metal
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_order_and_delays_do_not_matter(seed: int) -> None:
    assert soft_metal.run(COMPARE, "demo", False, seed=seed).split() == ["same"]
    assert soft_metal.run(COMPARE, fixture("mlx-mixed").folder, True, seed=seed).split() == ["same"]


@needs_soft_metal
def test_without_residency_sets_each_list_names_its_buffers() -> None:
    assert soft_metal.run(COMPARE, fixture("mlx-4bit-g64").folder, True, os=14).split() == ["same"]


@needs_soft_metal
def test_objects_are_gone_in_the_end(tmp_path: Path) -> None:
    soft_metal.run(ONE, log=tmp_path / "log")
    found = counts(tmp_path / "log")
    assert found["committed"] > 20
    assert found["most_lists"] < 10, "lists that completed are kept"
    assert {found[name] for name in ("buffers", "lists", "encoders", "pipelines")} == {0}


@needs_soft_metal
def test_pipelines_are_compiled_once(cache: Path, tmp_path: Path) -> None:
    soft_metal.run(ONE, log=tmp_path / "first")
    soft_metal.run(ONE, log=tmp_path / "second")
    assert counts(tmp_path / "first")["compiled"] >= 15
    assert counts(tmp_path / "second")["compiled"] == 0
    (archive,) = cache.glob("*.archive")
    archive.write_bytes(b"\xff\xfe broken")
    soft_metal.run(ONE, log=tmp_path / "third")
    assert counts(tmp_path / "third")["compiled"] >= 15


@needs_soft_metal
def test_an_error_of_the_gpu_names_the_kernels_and_is_final() -> None:
    script = """
import flashmoe
model = flashmoe.Model("demo", backend="metal", memory="128MiB", context=64)
session = model.session()
for _ in range(2):
    try:
        session.eval([1, 2, 3])
    except flashmoe.FlashMoeError as error:
        print(error)
"""
    first, second = soft_metal.run(script, fail=3).splitlines()
    assert "a list of commands failed (3: Caused GPU Timeout Error); its kernels are" in first
    assert "which faulted" in first and "matmul" in first
    assert second == first


FAULTS = {
    "no wait": ("        wait_until(d, ticket);\n    }\n    if", "        wait_until(d, 0 * ticket);\n    }\n    if"),
    "no barrier": ("[c->encoder memoryBarrierWithScope:MTLBarrierScopeBuffers]", "c->kernel = NULL"),
    "lists without order": (
        "newBufferWithLength:(NSUInteger)bytes options:MTLResourceStorageModeShared",
        "newBufferWithLength:(NSUInteger)bytes options:MTLResourceHazardTrackingModeUntracked",
    ),
    "argument not set": (
        "i < count; i++)\n        if (args[i].buffer)",
        "i + 1 < count; i++)\n        if (args[i].buffer)",
    ),
    "wrong offset": ("offset:(NSUInteger)args[i].offset", "offset:(NSUInteger)args[i].offset + 4"),
    "wrong length": ("length:(NSUInteger)args[i].bytes", "length:(NSUInteger)args[i].bytes - 4"),
    "buffer not kept": ("    b->buffer = buffer;\n", ""),
    "not resident": ("        make_resident(d, buffer);\n", "        (void)make_resident;\n"),
    "encoder not ended": ("        [c->encoder endEncoding];\n", ""),
    "pipeline not set": ("[c->encoder setComputePipelineState:kernel->pipeline];", ""),
    "fast math": ("        options.mathMode = MTLMathModeSafe;", "        options.mathMode = (MTLMathMode)2;"),
    "too many threads": ("maxTotalThreadsPerThreadgroup = threads;", "maxTotalThreadsPerThreadgroup = 32;"),
    "retained references": ("        of.retainedReferences = NO;\n", ""),
}  # fmt: skip


@needs_soft_metal
def test_a_buffer_that_is_freed_while_a_list_uses_it_is_found() -> None:
    """Lists do not retain what they use: a buffer that lives as long as its encoding is gone when the list runs."""
    fault = (
        "setBuffer:((const metal_buffer *)args[i].buffer)->buffer",
        "setBuffer:[c->device->device newBufferWithLength:(NSUInteger)args[i].buffer->bytes options:0]",
    )
    with pytest.raises(soft_metal.SoftMetalError, match="uses a buffer that was released"):
        soft_metal.run(ONE, fault=fault)


@needs_soft_metal
@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_the_host_is_found(name: str) -> None:
    try:
        said = soft_metal.run(COMPARE, fixture("mlx-4bit-g64").folder, False, fault=FAULTS[name])
    except soft_metal.SoftMetalError as error:
        said = str(error)
    assert "same" not in said.split(), said

"""`flashmoe doctor --self-test`: it passes where nothing is wrong, and names the kernel that is."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import flashmoe
from flashmoe.gpu import build, selftest, translate

from . import soft_metal
from .shader import needs_clang
from .soft_metal import needs_soft_metal


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "flashmoe", "doctor", *arguments], capture_output=True, text=True)


def test_the_cpu_passes_and_the_page_says_so() -> None:
    done = program("--self-test", "--backend", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["verdict", "passed"]
    assert "checks passed" in done.stdout


def test_a_backend_that_is_not_there_fails_the_test_with_its_reason() -> None:
    done = program("--self-test", "--backend", "metal", "--json")
    if sys.platform == "darwin":
        pytest.skip("there may be one")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert not report["passed"]
    assert "no such device" in report["backends"][0]["refusal"]
    assert program("--self-test", "--backend", "abacus").returncode != 0


def test_doctor_lists_backends() -> None:
    found = selftest.usable()
    assert found["cpu"] == ""
    assert set(found) == {"cpu", "metal", "cuda", "soft"}
    if sys.platform != "darwin":
        assert found["metal"] == "not on Linux"


@needs_clang
def test_every_kernel_passes_on_soft() -> None:
    result = selftest.examine_backend("soft", lambda text: None)
    assert [check for check in result.checks if check.error] == []
    names = {check.name.split(",")[0] for check in result.checks}
    assert names >= {*selftest.cases.CASES, "logits of the demo model"}
    assert result.limits["group_memory"] == 32 << 10


@needs_clang
@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (("expert->part[part + 2]", "expert->part[part + 1]"), {"experts_matvec", "experts_matmul"}),
        (("weight = e / simd_sum(e);", "weight = e / (simd_sum(e) * 1.001f);"), {"choose", "matvec_and_choice"}),
    ],
)
def test_a_wrong_kernel_is_named(fault: tuple[str, str], names: set[str]) -> None:
    source = translate.flatten(build.shader_folder())
    assert fault[0] in source
    library = build.compile_cached(
        translate.to_soft(source.replace(*fault)), ["-O2", "-shared", "-fPIC"], ".so"
    )
    result = selftest.examine_backend("soft", lambda text: None, kernels=str(library))
    failed = {check.name.split(",")[0] for check in result.failures}
    assert failed >= names
    assert all(name.startswith(tuple(names)) for name in failed)


def test_wrong_logits_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = dict(np.load(selftest.LOGITS))
    stored["logits"] = stored["logits"].copy()
    stored["logits"][2, 5] += 0.01 * stored["logits"].std()
    monkeypatch.setattr(np, "load", lambda path: stored)
    with pytest.raises(AssertionError, match="logits are off by"):
        selftest.check_logits("cpu")


def test_stored_logits_are_of_this_demo_model() -> None:
    for kernels in flashmoe._core.kernel_names():
        selftest.check_logits("cpu", kernels)


@needs_soft_metal
def test_the_self_test_runs_on_metal() -> None:
    script = """
from flashmoe.gpu import selftest
selftest.SPEEDS = {"matvec": ("matvec", {"rows": (64,), "cols": 256}, 1)}
result = selftest.examine_backend("metal", lambda text: None)
print(result.failures, result.refusal, len(result.checks), result.speeds[0].seconds > 0, result.limits["name"])
"""
    failures, *rest = soft_metal.run(script).split()
    assert failures == "[]"
    assert rest[1:] == ["True", "Metal:", "soft"]

"""`flashmoe bench`, and the parts of the benchmark suite that can be wrong without anybody noticing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from bench import engines, llama_file, models, replay, report, shapes, streams

import flashmoe
import flashmoe.doctor
from flashmoe.bench import Bound, Phase, measure
from flashmoe.cli import main
from flashmoe.errors import UsageError
from flashmoe.session import KINDS, PhaseStats

from .fixtures import fixture

TINY = shapes.parse(
    "35b,hidden=256,layers=4,heads=2,kv_heads=1,head_dim=64,key_heads=2,value_heads=4,experts=64,top_k=4,inner=64,vocab=8192"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(tmp_path_factory.mktemp("bench") / "tiny", TINY)


def routing(model: Path, ids: np.ndarray) -> np.ndarray:
    with flashmoe.Model(model, memory="64MiB", context=1024).session() as session:
        session.record_routing()
        session.prefill(ids)
        return session.routing


# ---- flashmoe bench


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves less memory to measure: a gigabyte takes seconds."""
    monkeypatch.setattr(flashmoe.doctor, "memory_available", lambda: 256 << 20)


@pytest.mark.usefixtures("little_memory")
def test_bench_prints_figures_and_the_share_of_the_bound(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "--model", str(fixture("mlx-4bit-g64").folder), "--prompt-tokens", "20", "--tokens", "8"]
    assert main([*arguments, "--memory", "64MiB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prefill"]["tokens"] == 20
    assert found["decode"]["tokens"] == 8
    bound = found["bound"]
    assert bound["memory_tokens_per_second"] == pytest.approx(bound["memory_rate"] / found["bytes_per_token"])
    assert found["share_of_bound"] == pytest.approx(found["decode"]["tokens_per_second"] / bound["tokens_per_second"])
    assert main([*arguments, "--memory", "64MiB"]) == 0
    out = capsys.readouterr().out
    assert "tokens/s over 8" in out
    assert "tokens/s that" in out


@pytest.mark.usefixtures("little_memory")
def test_bench_that_does_not_fit_says_what_would() -> None:
    def small() -> flashmoe.Model:
        return flashmoe.Model(fixture("mlx-4bit-g64").folder, memory="64MiB", context=32)

    with pytest.raises(UsageError, match="--context 108"):
        measure(small, prompt_tokens=100, tokens=4)
    with pytest.raises(UsageError, match="at least 2"):
        measure(small, prompt_tokens=1)


def test_the_bound_is_the_slower_of_memory_and_disk() -> None:
    memory = Bound.of(20e9, 2e9, 1e9, 0)
    assert (memory.tokens_per_second, memory.limit, memory.disk_tokens_per_second) == (10, "memory", None)
    gpu = Bound.of(None, 2e9, 1e9, 0)
    assert (gpu.tokens_per_second, gpu.limit) == (None, None)
    assert Bound.of(None, 2e9, 1e9, 0.5e9).limit == "disk"
    disk = Bound.of(20e9, 2e9, 1e9, 0.5e9)
    assert (disk.tokens_per_second, disk.limit) == (2, "disk")


def test_a_phase_is_what_happened_in_between() -> None:
    before = PhaseStats(10, 5, 5, 100, 1.0, 0.5, 0.5, 0.5)
    phase = Phase.of(before, PhaseStats(20, 14, 6, 1100, 3.0, 1.0, 1.5, 1.0, seconds_experts=1.25))
    of_a_token = dict.fromkeys((*KINDS, "other"), 0.0) | {"waiting": 0.05, "experts": 0.125, "other": 0.025}
    assert phase == Phase(10, 5.0, 0.9, 100.0, 0.25, 0.5, pytest.approx(of_a_token))


# ---- models of true shape


def test_shapes_can_be_changed_and_mistakes_are_named() -> None:
    assert shapes.parse("122b,layers=3,experts=16").experts == 16
    for text in ("36b", "35b,depth=3", "35b,layers=x", "35b,inner=70", "35b,bits=7", "35b,top_k=257"):
        with pytest.raises(ValueError, match=text.split(",")[-1].split("=")[0]):
            shapes.parse(text)


def test_a_shape_is_read_from_a_checkpoints_config(tiny: Path, tmp_path: Path) -> None:
    assert shapes.parse(str(tiny / "config.json")) == TINY
    assert shapes.parse(f"{tiny / 'config.json'},layers=2").layers == 2
    (tmp_path / "config.json").write_text('{"hidden_size": 64}')
    with pytest.raises(ValueError, match="has no"):
        shapes.parse(str(tmp_path / "config.json"))


@pytest.mark.parametrize("change", ["bits=2", "bits=3,group=32", "bits=5", "bits=6,group=128,inner=128", "bits=8",
                                    "experts=24,top_k=3,shared=192,interval=2"])  # fmt: skip
def test_other_quantisation_and_counts(tmp_path: Path, change: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(TINY.config()))
    shape = shapes.parse(f"{config},{change}")
    model = models.write(tmp_path / "model", shape)
    assert shape.bytes == pytest.approx(sum(path.stat().st_size for path in model.glob("*.safetensors")), rel=0.08)
    with flashmoe.Model(model, memory="64MiB", context=256).session() as session:
        logits = session.eval(streams.stream("local", shape.vocab, 32), all_logits=True)
    assert 0.3 < logits.std() < 3


def test_the_size_of_a_shape_is_that_of_its_files(tiny: Path) -> None:
    assert TINY.bytes == pytest.approx(sum(path.stat().st_size for path in tiny.glob("*.safetensors")), rel=0.05)


def test_a_job_that_the_machine_refuses_is_told_and_run_again(tmp_path: Path) -> None:
    path = tmp_path / "limit-4GiB.json"
    path.write_text(json.dumps({"data": {"refused": "no control group"}}))
    assert not report.measured(path)
    assert report.load(tmp_path) == {}
    assert "limit-4GiB: no control group" in report.refusals(tmp_path)


def test_activations_stay_finite_and_of_one_size(tiny: Path) -> None:
    with flashmoe.Model(tiny, memory="64MiB", context=256).session() as session:
        logits = session.eval(streams.stream("local", TINY.vocab, 64), all_logits=True)
    assert np.isfinite(logits).all()
    assert 0.3 < logits.std() < 3


def test_routing_is_the_tokens_alone(tiny: Path) -> None:
    ids = streams.stream("local", TINY.vocab, 60)
    there, back = routing(tiny, ids), routing(tiny, ids[::-1])
    assert (there == back[::-1]).mean() > 0.995  # but for rounding, where two experts are as good


def by_the_code(model: Path, ids: np.ndarray) -> list[float]:
    """By layer, the share of the experts that its router names with the tokens' codes alone, all that is known before
    the experts of the layers before have been computed."""
    tensors = llama_file.Source(model)
    codes = models.routing_codes(TINY.vocab, 0)[ids] - 8.0
    chosen = routing(model, ids)
    shares = []
    for layer in range(TINY.layers):
        weights = llama_file.q8_as_float(tensors, f"language_model.model.layers.{layer}.mlp.gate")
        named = np.argsort(-codes @ weights[:, : shapes.CODE].T)[:, : TINY.top_k]
        shares.append(float(np.mean([np.isin(a, b).mean() for a, b in zip(chosen[:, layer], named, strict=True)])))
    return shares


def test_a_part_of_the_choice_is_known_only_when_the_layer_before_is_complete(tiny: Path, tmp_path: Path) -> None:
    ids = streams.stream("uniform", TINY.vocab, 600)
    first, second, *others = by_the_code(tiny, ids)
    assert first > 0.99
    assert second == pytest.approx(1 - models.SURPRISE, abs=0.06)
    assert np.mean(others) == pytest.approx(1 - models.TWO_AHEAD * models.SURPRISE, abs=0.06)
    assert min(by_the_code(models.view(tmp_path / "told", tiny, surprise=0), ids)) > 0.99
    half = by_the_code(models.view(tmp_path / "half", tiny, surprise=0.5), ids)
    assert half[1] == pytest.approx(0.5, abs=0.06)


def test_a_folder_with_another_model_is_refused(tiny: Path) -> None:
    assert models.made(tiny) == (TINY, 0, models.SURPRISE)
    with pytest.raises(ValueError, match="another model"):
        models.write(tiny, TINY, seed=1)


def test_local_streams_share_a_third_of_their_experts_and_uniform_ones_do_not(tiny: Path) -> None:
    local = replay.repeat(routing(tiny, streams.stream("local", TINY.vocab, 600)))
    uniform = replay.repeat(routing(tiny, streams.stream("uniform", TINY.vocab, 600)))
    assert 0.28 < local < 0.45
    assert abs(uniform - TINY.top_k / TINY.experts) < 0.03


def test_a_view_is_the_first_layers(tiny: Path, tmp_path: Path) -> None:
    ids = streams.stream("local", TINY.vocab, 20)
    part = models.view(tmp_path / "two", tiny, 2)
    assert (routing(part, ids) == routing(tiny, ids)[:, :2]).all()


def test_a_stream_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("1 2\n3")
    assert streams.stream(str(tmp_path / "ids.txt"), 10, 7).tolist() == [1, 2, 3, 1, 2, 3, 1]
    with pytest.raises(ValueError, match="0 to 2"):
        streams.stream(str(tmp_path / "ids.txt"), 3, 7)
    with pytest.raises(ValueError, match="no stream"):
        streams.stream("nowhere", 3, 7)
    (tmp_path / "words.txt").write_text("one two")
    with pytest.raises(ValueError, match="needs ids"):
        streams.stream(str(tmp_path / "words.txt"), 3, 7)


def test_a_llama_bench_is_asked_and_read(tmp_path: Path) -> None:
    program = tmp_path / "llama-bench"
    program.write_text(f"""#!{sys.executable}
import json, sys
assert sys.argv[1:5] == ["-rtr", "1", "-m", {str(tmp_path / "m.gguf")!r}]
print(json.dumps([{{"n_prompt": 64, "n_gen": 0, "avg_ns": 2e9}}, {{"n_prompt": 0, "n_gen": 8, "avg_ns": 4e9}}]))
""")
    program.chmod(0o755)
    (tmp_path / "m.gguf").touch()
    found = engines.by_program(f"{program} -rtr 1", str(tmp_path / "m.gguf"), [64], 8)
    assert found["prefill"] == {"64": 2.0}
    assert found["decode"]["seconds"] == 0.5
    with pytest.raises(engines.Died, match="no figures"):
        engines.by_program("false", str(tmp_path / "m.gguf"), [64], 8)


# ---- caches replayed


def test_lru_and_belady_on_a_cycle() -> None:
    # Three experts in turn and room for two: LRU always throws out the next one; Belady keeps one of them.
    trace = np.tile(np.arange(3), 10).reshape(30, 1, 1)
    assert replay.lru(trace, 2) == 0
    assert replay.belady(trace, 2) == pytest.approx(14 / 30)
    assert replay.lru(trace, 3) == replay.belady(trace, 3) == 27 / 30
    assert replay.lru(trace, 3, warm=3) == 1


def test_belady_is_never_below_lru() -> None:
    trace = np.sort(np.random.default_rng(0).permuted(np.tile(np.arange(16), (200, 3, 1)), axis=2)[..., :4], axis=-1)
    for slots in (12, 20, 40):
        assert replay.belady(trace, slots) >= replay.lru(trace, slots)
    assert replay.lru(trace, 48, warm=100) == 1


def test_layers_are_apart() -> None:
    trace = np.zeros((10, 2, 1), np.int64)
    assert replay.lru(trace, 1) == 0
    assert replay.lru(trace, 2) == 18 / 20

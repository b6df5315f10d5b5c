"""The sampler against a plain reading of its definition."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.errors import FlashMoeError, UsageError
from flashmoe.sampling import Sampler, Sampling, _largest

logit_lists = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=40)
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.3, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 20]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.1, 0.9]),
)


def reference(logits: list[float], s: Sampling) -> dict[int, float]:
    """Steps 2 to 5 as the module's text has them, one token at a time."""
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if s.top_k:
        order = order[: s.top_k]
    top = logits[order[0]]
    weights = [math.exp((logits[i] - top) / s.temperature) for i in order]
    total, reached, kept = sum(weights), 0.0, []
    for token, weight in zip(order, weights, strict=True):
        if s.top_p < 1 and reached >= s.top_p * total:
            break
        kept.append((token, weight))
        reached += weight
    kept = [(token, weight) for token, weight in kept if weight >= s.min_p]
    total = sum(weight for _, weight in kept)
    return {token: weight / total for token, weight in kept}


@given(logit_lists, samplings)
@settings(max_examples=500)
def test_probabilities_are_those_of_the_definition(values: list[float], sampling: Sampling) -> None:
    logits = np.array(values, np.float32)
    ids, probabilities = Sampler(sampling).probabilities(logits)
    wanted = reference([float(value) for value in logits], sampling)
    # A sum that just reaches top_p may do so one token later; that token weighs next to nothing.
    assert set(ids) ^ set(wanted) <= {int(ids[-1]), list(wanted)[-1]}
    if set(ids) == set(wanted):
        for token, probability in zip(ids, probabilities, strict=True):
            assert probability == pytest.approx(wanted[int(token)], rel=1e-9)


@given(logit_lists)
def test_greedy_takes_the_largest_and_the_first_of_equals(values: list[float]) -> None:
    logits = np.array(values, np.float32)
    token, logprob = Sampler(Sampling(temperature=0)).sample(logits)
    assert token == max(range(len(values)), key=lambda i: (logits[i], -i))
    exact = float(logits[token]) - float(np.logaddexp.reduce(logits.astype(np.float64)))
    assert logprob == pytest.approx(exact, abs=1e-5)


def test_draws_follow_the_probabilities() -> None:
    logits = np.array([2.0, 1.0, 0.0, -1.0, -30.0], np.float32)
    sampler = Sampler(Sampling(temperature=1, top_k=0, top_p=1, seed=3))
    counts = np.bincount([sampler.sample(logits)[0] for _ in range(20_000)], minlength=5)
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(counts / 20_000 - wanted).max() < 0.015


def test_a_seed_fixes_the_draws() -> None:
    logits = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    draws = [
        [Sampler(Sampling(seed=seed, temperature=2)).sample(logits)[0] for _ in range(3)] for seed in (1, 1)
    ]
    assert draws[0] == draws[1]
    # PCG64's stream is part of numpy's promises: these draws are the same everywhere.
    sampler = Sampler(Sampling(temperature=1, top_k=0, top_p=1, seed=42))
    flat = np.zeros(1000, np.float32)
    assert [sampler.sample(flat)[0] for _ in range(5)] == [773, 438, 858, 697, 94]


def test_an_unseeded_sampler_can_be_repeated() -> None:
    logits = np.zeros(1000, np.float32)
    first = Sampler(Sampling(temperature=1, top_k=0, top_p=1))
    again = Sampler(Sampling(temperature=1, top_k=0, top_p=1, seed=first.seed))
    assert [first.sample(logits) for _ in range(5)] == [again.sample(logits) for _ in range(5)]


def test_penalties() -> None:
    logits = np.array([2.0, 2.0, -2.0, 1.9, 0.0], np.float32)
    before = logits.copy()
    # Prompt tokens 0 and 2: positive logits shrink, negative grow more so.
    sampler = Sampler(Sampling(temperature=1, top_k=0, top_p=1, repetition_penalty=2.0), prompt=[0, 2, 2])
    _, probabilities = sampler.probabilities(logits)
    expected = np.exp([1.0, 2.0, -4.0, 1.9, 0.0])
    assert probabilities == pytest.approx(expected / expected.sum())
    # Presence counts the answer alone, and once; frequency counts each time.
    greedy = Sampler(Sampling(temperature=0, presence_penalty=0.5), prompt=[3])
    assert [greedy.sample(logits)[0] for _ in range(4)] == [0, 1, 3, 0]
    greedy = Sampler(Sampling(temperature=0, frequency_penalty=0.06))
    assert [greedy.sample(logits)[0] for _ in range(6)] == [0, 1, 0, 1, 3, 0]
    assert (logits == before).all(), "the caller's logits stay as they are"


def test_logits_that_are_no_numbers() -> None:
    for value in (np.nan, np.inf):
        with pytest.raises(FlashMoeError, match="no numbers"):
            Sampler(Sampling()).sample(np.array([0.0, value], np.float32))


def test_large_vocabularies_are_fast() -> None:
    logits = np.random.default_rng(0).normal(size=248_320).astype(np.float32) * 3
    sampler = Sampler(Sampling(seed=1))
    sampler.sample(logits)
    start = time.thread_time()
    for _ in range(20):
        sampler.sample(logits)
    assert (time.thread_time() - start) / 20 < 0.05


@pytest.mark.parametrize("size", [4096, 70_001, 248_320])
def test_the_largest_of_many(size: int) -> None:
    """Equal ones go by id, whatever the way."""
    random = np.random.default_rng(size)
    normal = random.normal(0, 3, size).astype(np.float32)
    masked = np.where(random.random(size) < 0.9999, np.float32(-np.inf), normal)
    for logits in (normal, np.round(normal), masked, np.zeros(size, np.float32)):
        wanted = np.lexsort((np.arange(size), -logits))
        for k in (1, 20, 200):
            assert np.array_equal(_largest(logits, k), wanted[:k])


def test_flat_distributions_are_cut_where_top_p_says() -> None:
    ids, probabilities = Sampler(Sampling(temperature=1, top_k=0, top_p=0.5)).probabilities(
        np.zeros(10_000, np.float32)
    )
    assert list(ids) == list(range(5_000))
    assert probabilities == pytest.approx(np.full(5_000, 1 / 5_000))


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repetition_penalty": 0},
        {"presence_penalty": 1000},
        {"seed": -1},
        {"seed": 1.5},
        {"stop": [""]},
        {"stop": [1]},
        {"top_k": True},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(values))):
        Sampling(**values)


def test_stop_may_be_one_string() -> None:
    assert Sampling(stop="end").stop == ("end",)
    assert Sampling(stop=["a", "b"]).stop == ("a", "b")


def test_recommended(tmp_path: Path) -> None:
    config = tmp_path / "generation_config.json"
    assert Sampling.recommended(tmp_path) == Sampling()
    for content, wanted in (
        (
            {"temperature": 1.0, "top_k": 40, "top_p": None, "eos_token_id": 1},
            Sampling(temperature=1.0, top_k=40),
        ),
        ({"do_sample": False, "temperature": 0.6}, Sampling(temperature=0)),
        ({"temperature": -3}, Sampling()),
        ([], Sampling()),
    ):
        config.write_text(json.dumps(content))
        assert Sampling.recommended(tmp_path) == wanted
    config.write_text("{")
    assert Sampling.recommended(tmp_path) == Sampling()

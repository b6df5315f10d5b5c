"""Generation over a model without an engine."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.errors import Cancelled, ContextFullError, ReadError, UsageError
from flashmoe.generate import Generation, Token, generate
from flashmoe.sampling import Sampling

from .fake_model import FakeModel, FakeSession

GREEDY = Sampling(temperature=0)


def prompt_of(model: FakeModel, text: str = "Hello") -> list[int]:
    source = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    return model.tokenizer.encode(source, special=True)


def run(model: FakeModel, prompt: Any = None, **options: Any) -> Generation:
    options.setdefault("sampling", GREEDY)
    return generate(model, prompt_of(model) if prompt is None else prompt, **options)


def test_an_answer() -> None:
    model = FakeModel(["thank you, 🎉 Oslo"])
    generation = run(model)
    tokens = list(generation)
    assert "".join(token.text for token in tokens) == generation.text == "thank you, 🎉 Oslo"
    assert (
        [token.id for token in tokens]
        == generation.ids
        == [*model.replies[0], model.tokenizer.control_id("<|im_end|>")]
    )
    assert all(isinstance(token, Token) and token.logprob <= 0 for token in tokens)
    assert generation.finish_reason == "stop"
    # Every token but the last was evaluated, each once, and the session made for it is closed.
    assert model.evaluated == [len(prompt_of(model))] + [1] * (len(tokens) - 1)
    assert [session.closed for session in model.sessions] == [True]


def test_usage() -> None:
    model = FakeModel(["thank you"])
    generation = run(model)
    list(generation)
    usage = generation.usage
    assert (usage.prompt_tokens, usage.cached_tokens) == (len(prompt_of(model)), 0)
    assert usage.completion_tokens == len(generation.ids)
    evaluated = usage.prompt_tokens + usage.completion_tokens - 1
    assert (usage.expert_hits, usage.expert_misses, usage.bytes_read) == (
        3 * evaluated,
        evaluated,
        1000 * evaluated,
    )
    assert usage.hit_rate == 0.75
    assert 0 < usage.seconds_to_first_token <= usage.seconds
    assert usage.as_dict()["tokens_per_second"] > 0


def test_max_tokens() -> None:
    model = FakeModel(["a long answer about Oslo"])
    generation = run(model, max_tokens=3)
    assert len(list(generation)) == 3
    assert generation.finish_reason == "length"
    assert model.evaluated[1:] == [1, 1]


def test_text_held_back_is_given_out_at_the_end() -> None:
    model = FakeModel(["answer\nUs"])
    assert (
        "".join(t.text for t in run(model, sampling=Sampling(temperature=0, stop=("\nUser:",))))
        == "answer\nUs"
    )
    partial = model.tokenizer.encode("🐙")[:2]
    model = FakeModel([partial])
    assert run_text(model, max_tokens=2) == "\ufffd"


def run_text(model: FakeModel, **options: Any) -> str:
    return "".join(token.text for token in run(model, **options))


@given(st.text("ab🎉", max_size=12), st.lists(st.text("ab🎉", min_size=1, max_size=3), max_size=2))
@settings(max_examples=100, deadline=None)
def test_stop_strings_straddle_tokens(reply: str, stops: list[str]) -> None:
    model = FakeModel([reply])
    generation = run(model, sampling=Sampling(temperature=0, stop=tuple(stops)))
    text = "".join(token.text for token in generation)
    ends = [at + len(stop) for stop in stops if (at := reply.find(stop)) >= 0]
    if ends:
        end = min(ends)
        longest = max(len(stop) for stop in stops if reply[:end].endswith(stop))
        assert text == reply[: end - longest]
    else:
        assert text == reply
    assert generation.finish_reason == "stop"


def test_the_end_of_the_context_ends_an_answer() -> None:
    model = FakeModel(["a long answer about Oslo and the city"])
    room = len(prompt_of(model)) + 2
    model.plan.context = model.context = room
    generation = run(model)
    tokens = list(generation)
    assert generation.finish_reason == "length"
    assert len(tokens) == 3, "the last token is sampled after the last position"
    with pytest.raises(ContextFullError):
        next(run(model, prompt_of(model, "much longer than that")))


def test_a_session_that_holds_part_of_the_prompt() -> None:
    model = FakeModel(["thank you"])
    prompt = prompt_of(model)
    session = model.session()
    session.eval(prompt[:5])
    model.evaluated.clear()
    generation = run(model, session=session)
    assert generation.usage.cached_tokens == 5
    assert "".join(token.text for token in generation) == "thank you"
    assert model.evaluated[0] == len(prompt) - 5
    assert session.tokens == prompt + generation.ids[:-1]
    assert not session.closed


def test_a_session_with_another_past_is_refused() -> None:
    model = FakeModel(["x"])
    session = model.session()
    session.eval([9, 9])
    with pytest.raises(UsageError, match="does not begin"):
        run(model, session=session)
    session = model.session()
    session.eval(prompt_of(model))
    with pytest.raises(UsageError, match="whole prompt already"):
        run(model, session=session)


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"max_tokens": 1.5}, {"prompt": []}, {"prompt": ""}])
def test_bad_arguments_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        run(FakeModel(), **options)


def test_cancelling_between_tokens() -> None:
    model = FakeModel(["a long answer about Oslo"])
    with model.session() as session:
        generation = run(model, session=session)
        next(generation)
        threading.Thread(target=generation.cancel).start()
        rest = list(generation)
        assert len(rest) <= 20
        assert generation.finish_reason in ("cancelled", "stop")
        generation = run(model, session=session, prompt=[*session.tokens, 1])
        generation.cancel()
        assert list(generation) == []
        assert generation.finish_reason == "cancelled"


def test_progress_can_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    def eval(self: FakeSession, ids: Any, all_logits: bool = False, progress: Any = None) -> Any:
        if progress(0, len(ids)):
            raise Cancelled("cancelled")
        raise AssertionError

    monkeypatch.setattr(FakeSession, "eval", eval)
    generation = run(FakeModel(["x"]), progress=lambda done, total: True)
    assert list(generation) == []
    assert generation.finish_reason == "cancelled"


def test_ctrl_c_leaves_a_clean_session(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(["a long answer about Oslo"])
    evaluate = FakeSession.eval

    def interrupted(self: FakeSession, ids: Any, **options: Any) -> Any:
        if len(self.tokens) > len(prompt_of(model)) + 1:
            raise KeyboardInterrupt
        return evaluate(self, ids, **options)

    monkeypatch.setattr(FakeSession, "eval", interrupted)
    generation = run(model)
    with pytest.raises(KeyboardInterrupt):
        list(generation)
    assert generation.finish_reason == "cancelled"
    assert model.sessions[0].closed
    assert list(generation) == []


def test_a_failed_read_is_an_error_and_the_session_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel(["a long answer about Oslo"])
    evaluate, fail = FakeSession.eval, [False]

    def failing(self: FakeSession, ids: Any, **options: Any) -> Any:
        if fail[0]:
            raise ReadError("experts.bin: short read at 4096")
        return evaluate(self, ids, **options)

    monkeypatch.setattr(FakeSession, "eval", failing)
    session = model.session()
    generation = run(model, session=session)
    said = [next(generation), next(generation)]
    fail[0] = True
    with pytest.raises(ReadError, match="4096"):
        next(generation)
    fail[0] = False
    rest = list(run(model, session=session, prompt=prompt_of(model) + [token.id for token in said]))
    assert "".join(token.text for token in said + rest) == "a long answer about Oslo"


def test_ids_without_a_tokenizer() -> None:
    model = FakeModel(["thank you"])
    prompt = prompt_of(model)
    model.spec.tokenizer_file, model.spec.eos_ids = None, (model.tokenizer.control_id("<|im_end|>"),)
    generation = run(model, prompt)
    assert [token.text for token in generation] == [""] * len(generation.ids)
    assert generation.ids[:-1] == model.replies[0]
    assert generation.finish_reason == "stop"
    with pytest.raises(UsageError, match="tokenizer"):
        run(model, prompt, sampling=Sampling(stop=["x"]))


def test_closing_early_closes_its_own_session() -> None:
    model = FakeModel(["a long answer"])
    with run(model) as generation:
        next(generation)
    assert model.sessions[0].closed
    assert list(generation) == []


def test_sampled_answers_repeat_with_a_seed() -> None:
    model = FakeModel()
    model.logits = lambda tokens: np.zeros(model.config.vocab, np.float32)  # type: ignore[method-assign]
    sampling = Sampling(temperature=1, top_k=0, top_p=1, seed=5)
    answers = [[t.id for t in run(model, prompt=[1, 2], max_tokens=8, sampling=sampling)] for _ in range(2)]
    assert answers[0] == answers[1]

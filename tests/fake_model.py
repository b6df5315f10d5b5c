"""A model and a session without an engine, for the tests of everything above it.

Its answers are written beforehand. What it says next depends on nothing but the tokens so far, so a session
that was reused wrongly gives a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from flashmoe.errors import ContextFullError
from flashmoe.session import PhaseStats, Stats
from flashmoe.text.tokenizer import Tokenizer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ADDED = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = (
    "Hello there, how are you today? I am well, thank you. The answer is 42 and the city is Oslo.\n\n"
    "system\nuser\nassistant\nYou are a helpful assistant.\n<function=get_weather>\n<parameter=city>\n"
    'Écoutez, ça va très bien; größer, naïve, 你好世界, emoji 👩‍🚀 and 🎉🎉. {"name": "x", "arguments": {}}\n'
) * 20

# In the manner of Qwen3.5's: trimmed contents, JSON tools, past reasoning dropped, XML calls.
TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' + (tool | tojson) }}
    {%- endfor %}
    {{- '\\n</tools>' }}
    {%- if messages[0].role == 'system' %}
        {{- '\\n\\n' + messages[0].content | trim }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content | trim + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last_query=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {%- set ns.last_query = loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last_query and message.reasoning_content is string %}
            {{- '<think>\\n' + message.reasoning_content | trim + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content | trim }}
        {%- for call in message.tool_calls or [] %}
            {{- ('\\n\\n' if loop.first and message.content | trim else '' if loop.first else '\\n') }}
            {{- '<tool_call>\\n<function=' + call.function.name + '>\\n' }}
            {%- for name, value in call.function.arguments | items %}
                {{- '<parameter=' + name + '>\\n' + (value if value is string else value | tojson) }}
                {{- '\\n</parameter>\\n' }}
            {%- endfor %}
            {{- '</function>\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- elif not (loop.first and message.role == 'system') %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined %}
        {{- '<think>\\n' if enable_thinking else '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""


@cache
def tokenizer_json(vocab: int = 600) -> str:
    """A tokenizer.json in the manner of Qwen's, with about so many entries."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in ADDED])
    return str(tokenizer.to_str())


def reference_tokenizer() -> tokenizers.Tokenizer:
    """The library's own tokenizer, which honours control tokens wherever they stand."""
    return tokenizers.Tokenizer.from_str(tokenizer_json())


def make_tokenizer(vocab: int | None = None) -> Tokenizer:
    return Tokenizer(reference_tokenizer(), vocab=vocab)


class FakeSession:
    """Answers with the model's replies: the i-th opening of an assistant's message is followed by the i-th
    reply."""

    def __init__(self, model: FakeModel, past: Sequence[int] = ()) -> None:
        self.model, self.tokens, self.closed = model, list(past), False
        self.cancelled = False
        self._lock, self._native = RLock(), self  # its state is nothing but its tokens
        self._stats = Stats(PhaseStats(), PhaseStats())
        model.sessions.append(self)

    @property
    def position(self) -> int:
        return len(self.tokens)

    @property
    def stats(self) -> Stats:
        return self._stats

    def eval(self, ids: Sequence[int], all_logits: bool = False, progress: Any = None) -> np.ndarray:
        assert not self.closed
        assert len(ids) > 0
        if len(self.tokens) + len(ids) > self.model.context:
            raise ContextFullError(f"the session's context holds {self.model.context} tokens")
        if progress is not None:
            progress(0, len(ids))
        self.tokens += [int(token) for token in ids]
        self.model.evaluated.append(len(ids))
        name, n = "decode" if len(ids) == 1 else "prefill", len(ids)
        old = getattr(self._stats, name)
        new = PhaseStats(
            tokens=old.tokens + n,
            expert_hits=old.expert_hits + 3 * n,
            expert_misses=old.expert_misses + n,
            bytes_read=old.bytes_read + 1000 * n,
            seconds=old.seconds + 0.001 * n,
        )
        self._stats = replace(self._stats, **{name: new})
        if progress is not None:
            progress(len(ids), len(ids))
        return self.model.logits(self.tokens)

    def prefill(self, ids: Sequence[int], progress: Any = None) -> None:
        self.eval(ids, progress=progress)

    def fork(self) -> FakeSession:
        return FakeSession(self.model, self.tokens)

    @property
    def context(self) -> int:
        return self.model.context

    def state(self, position: int) -> list[memoryview]:
        return [memoryview(bytearray(8))]

    def restore(self, ids: Sequence[int]) -> None:
        self.tokens = [int(token) for token in ids]

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakePlan:
    budget, sweep = 1 << 22, 128
    session_fixed = session_context = cache = 1 << 16
    used, cache_slots, experts_in_model, experts_per_token, kernels = 1 << 20, 8, 64, 4, "fake"

    def __init__(self, context: int) -> None:
        self.context = context

    def __str__(self) -> str:
        return "a plan"

    def as_dict(self) -> dict[str, Any]:
        return {"context": self.context}


class FakeModel:
    def __init__(
        self,
        replies: Sequence[str | list[int]] = (),
        context: int = 4096,
        spelling: Callable[..., Any] | None = None,
    ):
        self.tokenizer = make_tokenizer()
        encode = spelling or (lambda text: self.tokenizer.encode(text, special=True))
        self.replies = [encode(reply) if isinstance(reply, str) else reply for reply in replies]
        self.context, self.plan = context, FakePlan(context)
        self.config = SimpleNamespace(
            vocab=self.tokenizer.vocab_size + 5,
            layers=2,
            experts=32,
            experts_per_token=4,
            max_context=context,
        )
        self.reader = "fake"
        self.backend, self.backend_reason = "fake", "a test"
        self.path = Path("fake")
        self.spec = SimpleNamespace(
            path=self.path,
            chat_template=TEMPLATE,
            special_tokens={},
            eos_ids=(),
            tokenizer_file=self.path,
            config=self.config,
        )
        self.fingerprint = "0" * 64
        self.sessions: list[FakeSession] = []
        self.evaluated: list[int] = []  # tokens of each eval
        self._start = self.tokenizer.control_id("<|im_start|>")
        self._end = self.tokenizer.control_id("<|im_end|>")
        self._opening = self.tokenizer.encode("<|im_start|>assistant\n", special=True)

    def reserve(self, owner: object, size: int) -> None:
        pass

    def session(self) -> FakeSession:
        return FakeSession(self)

    room = 100

    def step(self, sessions: Sequence[FakeSession], ids: Sequence[int]) -> np.ndarray:
        return np.stack([session.eval([id]) for session, id in zip(sessions, ids, strict=True)])

    def expert_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = (self.config.layers, self.config.experts)
        return np.zeros(shape, np.uint32), np.zeros(shape, np.uint32), np.zeros(shape, bool)

    def next_token(self, tokens: Sequence[int]) -> int:
        opening, n = self._opening, len(self._opening)
        opened = [i + n for i in range(len(tokens) - n + 1) if list(tokens[i : i + n]) == opening]
        if not opened or len(opened) > len(self.replies):
            return self._end
        reply, written = self.replies[len(opened) - 1], len(tokens) - opened[-1]
        return reply[written] if written < len(reply) else self._end

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        out = np.zeros(self.config.vocab, np.float32)
        out[self.next_token(tokens)] = 50.0
        return out

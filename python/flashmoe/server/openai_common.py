"""What the OpenAI endpoints share: fields of sampling, tools, usage and log-probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..generate import Usage
from ..sampling import Sampling
from .answer import Choice
from .errors import ApiError
from .service import Strict, sampling_of

if TYPE_CHECKING:
    from ..model import Model

TEXT_ONLY = "this model takes text only, and no address or path in a request is ever opened"
Stop = Annotated[str, Field(min_length=1, max_length=500)]
Seed = Annotated[int, Field(ge=-(1 << 63), lt=1 << 64)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.\-]+$")]


TopP = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda p: p or LEAST_P)]
LEAST_P = 1e-9  # 0 is what OpenAI's servers take for "the likeliest token only"
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class SamplingFields(Strict):
    """top_k, min_p, repetition_penalty and grammar are not OpenAI's; other servers have them under these names."""

    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: TopP | None = None
    top_k: Annotated[int, Field(ge=-1, lt=1 << 31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-100, le=100)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-100, le=100)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None
    seed: Seed | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    user: str | None = None
    grammar: Annotated[str, Field(min_length=1, max_length=1 << 16)] | None = None

    def sampling(self, defaults: Sampling) -> Sampling:
        names = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty",
                 "repetition_penalty", "seed")  # fmt: skip
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        given = {name: getattr(self, name) for name in names}
        if self.top_k == -1:  # vLLM's way to say no limit
            given["top_k"] = 0
        return sampling_of(defaults, **given, stop=stop)

    def biases(self, vocab: int) -> dict[int, float]:
        biases = {}
        for token, bias in (self.logit_bias or {}).items():
            if not (token.isdecimal() and token.isascii() and int(token) < vocab):
                raise ApiError(400, f"logit_bias has {token[:20]!r}, which is no token id below {vocab}", "logit_bias")
            biases[int(token)] = bias
        return biases


class FunctionSchema(Strict):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    type: Literal["function"]
    function: FunctionSchema


class StreamOptions(Strict):
    include_usage: bool | None = None


def usage_of(usage: list[Usage], reasoning_tokens: int) -> dict[str, Any]:
    """Of the answers to one prompt."""
    prompt, completion = usage[0].prompt_tokens, sum(each.completion_tokens for each in usage)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage[0].cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }


def token_text(model: Model, id: int) -> str:
    return model.tokenizer.decode([id], special=True)


def logprob_content(model: Model, tokens: list[Choice]) -> list[dict[str, Any]]:
    """As chat completions and responses write them."""

    def entry(id: int, logprob: float) -> dict[str, Any]:
        text = model.tokenizer.token_bytes(id)
        return {"token": token_text(model, id), "logprob": logprob, "bytes": list(text)}

    return [
        {**entry(token.id, token.logprob), "top_logprobs": [entry(id, logprob) for id, logprob in token.top]}
        for token in tokens
    ]

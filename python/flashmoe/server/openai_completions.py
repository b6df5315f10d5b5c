"""/v1/completions: OpenAI's text completion, of texts or token ids."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from ..structured import Constraint
from . import sse
from .answer import Ask, Choice, Chunk, Finish
from .body import JsonRoute
from .engine import Ticket
from .errors import ApiError, as_api_error, openai_error
from .openai_common import SamplingFields, StreamOptions, token_text, usage_of
from .prompts import TextParser
from .service import Gathered, Service, gather, new_id, text_of

MOST_PROMPTS = 16
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]


class CompletionRequest(SamplingFields):
    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST_PROMPTS)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=MOST_PROMPTS)]
    )
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = 16
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    best_of: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: str | None = None


def router(service: Service) -> APIRouter:
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        _refuse(body)
        tickets: list[Ticket] = []
        try:
            for prompt in _prompts(body):
                make = partial(_ask, service, body, prompt)
                tickets.append(await service.submit(request, make, body.user))
        except BaseException:
            _cancel(tickets)
            raise
        reply = _Reply(service, body)
        if body.stream:
            return sse.EventStream(reply.stream(tickets), lambda: _cancel(tickets))
        answers = await sse.whole(request, lambda: _cancel(tickets), asyncio.gather(*map(gather, tickets)))
        return answers if isinstance(answers, Response) else JSONResponse(reply.whole(answers))

    return routes


def _cancel(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        ticket.cancel()


def _refuse(body: CompletionRequest) -> None:
    if body.suffix:
        raise ApiError(400, "suffix is not supported: the model only writes what follows", "suffix")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise ApiError(400, "best_of is not supported; ask for n answers and choose", "best_of")
    if body.echo and body.logprobs is not None:
        raise ApiError(400, "echo with logprobs is not supported", "echo")


def _prompts(body: CompletionRequest) -> list[str | list[int]]:
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt[0], int):
        return [[id for id in prompt if isinstance(id, int)]]
    return [part for part in prompt if not isinstance(part, int)]


def _ask(service: Service, body: CompletionRequest, prompt: str | list[int]) -> Ask:
    model = service.model
    ids = model.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
    if ids and max(ids) >= model.config.vocab:
        raise ApiError(400, f"the prompt has a token that is not below {model.config.vocab}", "prompt")
    constraint = Constraint.grammar(body.grammar, model.tokenizer) if body.grammar is not None else None
    return Ask(
        ids,
        body.sampling(service.defaults).with_(constraint=constraint),
        TextParser,
        max_tokens=body.max_tokens,
        n=body.n or 1,
        logit_bias=body.biases(model.config.vocab),
        top_logprobs=body.logprobs,
    )


class _Reply:
    """The i-th answer to the p-th prompt is the choice p * n + i."""

    def __init__(self, service: Service, body: CompletionRequest) -> None:
        self._model, self._body, self._n = service.model, body, body.n or 1
        self._head = {
            "id": new_id("cmpl-"),
            "object": "text_completion",
            "created": int(time.time()),
            "model": service.name,
            "system_fingerprint": service.fingerprint,
        }

    def whole(self, answers: list[list[Gathered]]) -> dict[str, Any]:
        choices, ends = [], []
        for i, answer in enumerate(answer for group in answers for answer in group):
            assert answer.finish is not None
            ends.append(answer.finish)
            text = self._echo(i) + answer.text
            choices.append(self._choice(i, text, answer.finish.reason, answer.tokens))
        return {**self._head, "choices": choices, "usage": self._usage(ends)}

    async def stream(self, tickets: list[Ticket]) -> AsyncIterator[str]:
        merged: asyncio.Queue[tuple[int, Chunk | Finish | Exception]] = asyncio.Queue()

        async def read(index: int, ticket: Ticket) -> None:
            try:
                async for item in ticket:
                    if isinstance(item, Chunk | Finish):
                        await merged.put((index * self._n + item.index, item))
            except Exception as error:
                await merged.put((0, error))

        readers = [asyncio.ensure_future(read(i, ticket)) for i, ticket in enumerate(tickets)]
        ends: list[Finish] = []
        offsets: dict[int, int] = {}
        try:
            for i in range(len(tickets) * self._n):
                if echo := self._echo(i):
                    yield self._event(i, echo, None, [], offsets)
            while len(ends) < len(tickets) * self._n:
                index, item = await merged.get()
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Chunk):
                    yield self._event(index, "".join(map(text_of, item.events)), None, item.tokens, offsets)
                else:
                    ends.append(replace(item, index=index))
                    yield self._event(index, "", item.reason, [], offsets)
            if self._body.stream_options is not None and self._body.stream_options.include_usage:
                ends.sort(key=lambda end: end.index)
                yield sse.event({**self._head, "choices": [], "usage": self._usage(ends)})
            yield sse.event("[DONE]")
        except Exception as error:
            yield sse.event(openai_error(as_api_error(error)))
        finally:
            for reader in readers:
                reader.cancel()

    def _event(self, index: int, text: str, reason: str | None, tokens: list[Choice], offsets: dict[int, int]) -> str:
        choice = self._choice(index, text, reason, tokens, offsets.get(index, 0))
        offsets[index] = offsets.get(index, 0) + len(text)
        return sse.event({**self._head, "choices": [choice]})

    def _choice(
        self, index: int, text: str, reason: str | None, tokens: list[Choice], offset: int = 0
    ) -> dict[str, Any]:
        logprobs = _logprobs(self._model, tokens, offset) if self._body.logprobs is not None and tokens else None
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}

    def _echo(self, index: int) -> str:
        if not self._body.echo:
            return ""
        prompt = _prompts(self._body)[index // self._n]
        return prompt if isinstance(prompt, str) else str(self._model.tokenizer.decode(prompt))

    def _usage(self, ends: list[Finish]) -> dict[str, Any]:
        """Of all prompts together."""
        parts = [usage_of([e.usage for e in ends[i : i + self._n]], 0) for i in range(0, len(ends), self._n)]
        total: dict[str, Any] = {
            name: sum(part[name] for part in parts) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        }
        cached = sum(part["prompt_tokens_details"]["cached_tokens"] for part in parts)
        return {**total, "prompt_tokens_details": {"cached_tokens": cached}}


def _logprobs(model: Any, tokens: list[Choice], offset: int) -> dict[str, Any]:
    texts = [token_text(model, token.id) for token in tokens]
    offsets = [offset + sum(map(len, texts[:i])) for i in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{token_text(model, id): logprob for id, logprob in token.top} for token in tokens],
        "text_offset": offsets,
    }

"""/v1/chat/completions: OpenAI's chat."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from ..chat import ReasoningEvent, ToolCallEvent
from . import prompts, sse
from .answer import Ask, Chunk, Finish
from .body import JsonRoute
from .engine import Ticket
from .errors import ApiError, as_api_error, openai_error
from .openai_common import (
    TEXT_ONLY,
    Effort,
    Name,
    SamplingFields,
    StreamOptions,
    Tool,
    logprob_content,
    usage_of,
)
from .service import Gathered, Service, Strict, gather, new_id, text_of


class Part(Strict):
    type: str
    text: str | None = None


class CalledFunction(Strict):
    name: Name
    arguments: str


class Call(Strict):
    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None


class NamedFunction(Strict):
    name: Name


class NamedTool(Strict):
    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Strict):
    name: str = "answer"
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class TemplateOptions(Strict):
    enable_thinking: bool | None = None


class ChatRequest(SamplingFields):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    chat_template_kwargs: TemplateOptions | None = None
    functions: Any = None
    function_call: Any = None
    audio: Any = None
    modalities: list[str] | None = None
    web_search_options: Any = None

    def thinking(self) -> bool | None:
        if self.chat_template_kwargs is not None and self.chat_template_kwargs.enable_thinking is not None:
            return self.chat_template_kwargs.enable_thinking
        return None if self.reasoning_effort is None else self.reasoning_effort not in ("none", "minimal")


def router(service: Service) -> APIRouter:
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/chat/completions")
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        _refuse(body)
        messages = to_messages(body.messages)
        ticket = await service.submit(request, lambda: _ask(service, body, messages), body.user)
        reply = _Reply(service, body)
        if body.stream:
            return sse.EventStream(reply.stream(ticket), ticket.cancel)
        answers = await sse.whole(request, ticket.cancel, gather(ticket))
        return answers if isinstance(answers, Response) else JSONResponse(reply.whole(answers))

    return routes


def _refuse(body: ChatRequest) -> None:
    """What would be silently ignored, and must not be."""
    for name, instead in (
        ("functions", "use tools"),
        ("function_call", "use tool_choice"),
        ("audio", "this model writes text only"),
        ("web_search_options", "give the model a tool for it"),
    ):
        if getattr(body, name) is not None:
            raise ApiError(400, f"{name} is not supported; {instead}", name)
    if any(modality != "text" for modality in body.modalities or ()):
        raise ApiError(400, "this model writes text only", "modalities")
    if body.top_logprobs is not None and not body.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs to be true", "top_logprobs")
    form = body.response_format
    given = form.json_schema if form is not None else None
    if body.grammar is not None and form is not None and form.type != "text":
        raise ApiError(400, "an answer can have a grammar or a response_format, not both", "grammar")
    if form is not None and form.type == "json_schema" and (given is None or given.json_schema is None):
        raise ApiError(400, "response_format of type json_schema needs json_schema.schema", "response_format")


def _ask(service: Service, body: ChatRequest, messages: list[dict[str, Any]]) -> Ask:
    form = body.response_format
    schema: dict[str, Any] | bool | None = None
    if form is not None and form.type != "text":
        schema = form.json_schema.json_schema if form.json_schema is not None and form.type == "json_schema" else True
    named = body.tool_choice if isinstance(body.tool_choice, NamedTool) else None
    asked = prompts.Conversation(
        messages,
        [tool.model_dump(exclude_none=True) for tool in body.tools or ()],
        body.thinking(),
        choice="tool" if named else str(body.tool_choice or "auto"),
        name=named.function.name if named else None,
        parallel=body.parallel_tool_calls is not False,
        schema=schema,
        grammar=body.grammar,
        strict=any(tool.function.strict for tool in body.tools or ()),
    )
    return service.ask(
        asked,
        sampling=body.sampling(service.defaults),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        n=body.n or 1,
        logit_bias=body.biases(service.model.config.vocab),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )


def to_messages(messages: list[ChatMessage]) -> list[dict[str, Any]]:
    """As templates expect them: text contents, and one system message at the beginning."""
    out: list[dict[str, Any]] = []
    for i, message in enumerate(messages):
        text = _text(message, i)
        if message.role in ("system", "developer"):
            if len(out) == 1 and out[0]["role"] == "system":
                out[0]["content"] += f"\n\n{text}"
            else:
                out.append({"role": "system", "content": text})
            continue
        entry: dict[str, Any] = {"role": message.role, "content": text}
        if message.role == "assistant":
            if message.tool_calls:
                entry["tool_calls"] = [call.model_dump(exclude_none=True) for call in message.tool_calls]
            if thought := message.reasoning_content or message.reasoning:
                entry["reasoning_content"] = thought
        if message.role == "tool" and message.tool_call_id:
            entry["tool_call_id"] = message.tool_call_id
        out.append(entry)
    return out


def _text(message: ChatMessage, index: int) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    for part in message.content:
        if part.type not in ("text", "refusal") or (part.type == "text" and part.text is None):
            raise ApiError(400, f"a part of type {part.type[:40]!r}: {TEXT_ONLY}", f"messages[{index}].content")
    return "".join(part.text or "" for part in message.content)


class _Reply:
    """The answers in the shape of the API."""

    def __init__(self, service: Service, body: ChatRequest) -> None:
        self._service, self._body = service, body
        self._head = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": service.name,
            "system_fingerprint": service.fingerprint,
        }

    def whole(self, answers: list[Gathered]) -> dict[str, Any]:
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [self._choice(i, answer) for i, answer in enumerate(answers)],
            "usage": self._usage([answer.finish for answer in answers if answer.finish]),
        }

    def _choice(self, index: int, answer: Gathered) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["content"] = answer.text or None
            message["tool_calls"] = [_call(call) for call in answer.calls]
        assert answer.finish is not None
        logprobs = {"content": logprob_content(self._service.model, answer.tokens)} if self._body.logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": answer.finish.reason}

    def _usage(self, ends: list[Finish]) -> dict[str, Any]:
        return usage_of([end.usage for end in ends], sum(end.reasoning_tokens for end in ends))

    async def stream(self, ticket: Ticket) -> AsyncIterator[str]:
        with_usage = self._body.stream_options is not None and self._body.stream_options.include_usage
        begun: set[int] = set()
        calls = [0] * ticket.ask.n
        ends = []
        try:
            async for item in ticket:
                if isinstance(item, Chunk | Finish) and item.index not in begun:
                    begun.add(item.index)
                    yield self._chunk(item.index, {"role": "assistant", "content": ""})
                if isinstance(item, Chunk):
                    tokens: Any = item.tokens
                    for event in item.events:
                        if isinstance(event, ReasoningEvent):
                            delta: dict[str, Any] = {"reasoning_content": event.text}
                        elif isinstance(event, ToolCallEvent) and not event.error:
                            delta = {"tool_calls": [{"index": calls[item.index], **_call(event)}]}
                            calls[item.index] += 1
                        else:
                            delta = {"content": text_of(event)}
                        yield self._chunk(item.index, delta, tokens=tokens)
                        tokens = []
                    if tokens:
                        yield self._chunk(item.index, {}, tokens=tokens)
                elif isinstance(item, Finish):
                    ends.append(item)
                    yield self._chunk(item.index, {}, item.reason)
            if with_usage:
                last = {**self._head, "object": "chat.completion.chunk", "choices": []}
                yield sse.event({**last, "usage": self._usage(ends)})
            yield sse.event("[DONE]")
        except Exception as error:
            yield sse.event(openai_error(as_api_error(error)))

    def _chunk(self, index: int, delta: dict[str, Any], reason: str | None = None, tokens: Any = ()) -> str:
        logprobs = None
        if self._body.logprobs and tokens:
            logprobs = {"content": logprob_content(self._service.model, tokens)}
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return sse.event({**self._head, "object": "chat.completion.chunk", "choices": [choice]})


def _call(event: ToolCallEvent) -> dict[str, Any]:
    arguments = json.dumps(event.arguments, ensure_ascii=False)
    return {"id": new_id("call_"), "type": "function", "function": {"name": event.name, "arguments": arguments}}

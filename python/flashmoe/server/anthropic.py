"""/v1/messages: Anthropic's API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from ..chat import Event, ReasoningEvent, ToolCallEvent
from ..generate import Usage
from . import prompts, sse
from .answer import Ask, Chunk, Finish
from .body import JsonRoute
from .engine import Ticket
from .errors import ApiError, anthropic_error, as_api_error
from .openai_common import TEXT_ONLY, Name
from .service import Gathered, Service, Strict, gather, new_id, sampling_of, text_of

PING = sse.event({"type": "ping"}, "ping")


class Block(Strict):
    """Of any kind; which fields are needed depends on the type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[dict[str, Any]] | None = None
    is_error: bool | None = None


class Turn(Strict):
    role: Literal["user", "assistant"]
    content: str | list[Block]


class AnthropicTool(Strict):
    name: Name
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    type: str | None = None
    strict: bool | None = None


class ToolChoice(Strict):
    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Strict):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Field(ge=0)] | None = None


class OutputFormat(Strict):
    type: Literal["json_schema"]
    json_schema: dict[str, Any] = Field(alias="schema")


class OutputConfig(Strict):
    format: OutputFormat | None = None


class Metadata(Strict):
    user_id: str | None = None


class CountRequest(Strict):
    messages: Annotated[list[Turn], Field(min_length=1)]
    model: str | None = None
    system: str | list[Block] | None = None
    tools: Annotated[list[AnthropicTool], Field(max_length=256)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


class MessagesRequest(CountRequest):
    max_tokens: Annotated[int, Field(ge=1)]
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    stop_sequences: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=16)] | None = None
    stream: bool | None = None
    metadata: Metadata | None = None


def router(service: Service) -> APIRouter:
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/messages")
    async def messages(body: MessagesRequest, request: Request) -> Response:
        asked = conversation(body)
        client = body.metadata.user_id if body.metadata is not None else None
        ticket = await service.submit(request, lambda: _ask(service, body, asked), client)
        reply = _Reply(service)
        if body.stream:
            return sse.EventStream(reply.stream(ticket), ticket.cancel, PING)
        answers = await sse.whole(request, ticket.cancel, gather(ticket))
        return answers if isinstance(answers, Response) else JSONResponse(reply.whole(answers[0]))

    @routes.post("/v1/messages/count_tokens")
    async def count_tokens(body: CountRequest) -> Response:
        asked = conversation(body)
        made = await service.apart(lambda: prompts.prepare(service.model, service.engine.store, asked))
        return JSONResponse({"input_tokens": len(made.ids)})

    return routes


def _ask(service: Service, body: MessagesRequest, asked: prompts.Conversation) -> Ask:
    sampling = sampling_of(
        service.defaults,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=body.stop_sequences,
    )
    return service.ask(asked, sampling=sampling, max_tokens=body.max_tokens)


def conversation(body: CountRequest) -> prompts.Conversation:
    """The request in the terms that all protocols share. Raises ApiError."""
    messages: list[dict[str, Any]] = []
    if system := _text(body.system, "system"):
        messages.append({"role": "system", "content": system})
    for i, turn in enumerate(body.messages):
        messages += _user(turn, i) if turn.role == "user" else [_assistant(turn, i)]
    opening = ""
    if messages[-1]["role"] == "assistant":  # an answer that the caller has begun
        opening = messages.pop()["content"]
        if not messages or not opening:
            raise ApiError(400, "the last message is the assistant's and has no text to go on with", "messages")
    choice = body.tool_choice
    form = body.output_config.format if body.output_config is not None else None
    thinking = None if body.thinking is None else body.thinking.type != "disabled"
    return prompts.Conversation(
        messages,
        [_tool(tool) for tool in body.tools or ()],
        False if opening else thinking,
        choice={"any": "required"}.get(choice.type, choice.type) if choice is not None else "auto",
        name=choice.name if choice is not None else None,
        parallel=choice is None or not choice.disable_parallel_tool_use,
        schema=form.json_schema if form is not None else None,
        strict=any(tool.strict for tool in body.tools or ()),
        opening=opening,
        budget=body.thinking.budget_tokens if body.thinking is not None and thinking else None,
    )


def _tool(tool: AnthropicTool) -> dict[str, Any]:
    if tool.type not in (None, "custom"):
        raise ApiError(400, f"the tool {tool.name} is of type {tool.type[:60]!r}, which only Anthropic runs", "tools")
    if tool.input_schema is None:
        raise ApiError(400, f"the tool {tool.name} has no input_schema", "tools")
    function = {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema}
    return {"type": "function", "function": function}


def _user(turn: Turn, index: int) -> list[dict[str, Any]]:
    """Results of tools are messages of their own, before what the user says."""
    if isinstance(turn.content, str):
        return [{"role": "user", "content": turn.content}]
    results, said = [], []
    for block in turn.content:
        if block.type == "tool_result":
            content = block.content
            if isinstance(content, list):
                content = "".join(_result(part, index) for part in content)
            text = f"Error: {content}" if block.is_error else content or ""
            results.append({"role": "tool", "content": text, "tool_call_id": block.tool_use_id or ""})
        else:
            said.append(_block_text(block, f"messages.{index}"))
    return [*results, *([{"role": "user", "content": "".join(said)}] if said or not results else [])]


def _result(part: dict[str, Any], index: int) -> str:
    if part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise ApiError(400, f"messages.{index}: a tool result of type {str(part.get('type'))[:40]!r}: {TEXT_ONLY}")
    return str(part["text"])


def _assistant(turn: Turn, index: int) -> dict[str, Any]:
    if isinstance(turn.content, str):
        return {"role": "assistant", "content": turn.content}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for block in turn.content:
        if block.type == "thinking":
            message["reasoning_content"] = message.get("reasoning_content", "") + (block.thinking or "")
        elif block.type == "tool_use":
            if not block.name:
                raise ApiError(400, f"messages.{index}: a tool_use block names no tool")
            function = {"name": block.name, "arguments": block.input or {}}
            call = {"id": block.id or "", "type": "function", "function": function}
            message.setdefault("tool_calls", []).append(call)
        elif block.type != "redacted_thinking":
            message["content"] += _block_text(block, f"messages.{index}")
    return message


def _text(content: str | list[Block] | None, where: str) -> str:
    if isinstance(content, list):
        return "\n\n".join(_block_text(block, where) for block in content)
    return content or ""


def _block_text(block: Block, where: str) -> str:
    if block.type != "text" or block.text is None:
        raise ApiError(400, f"{where}: a block of type {block.type[:40]!r}: {TEXT_ONLY}")
    return block.text


class _Reply:
    """The answer in the shape of the API."""

    def __init__(self, service: Service) -> None:
        self._head = {"id": new_id("msg_"), "type": "message", "role": "assistant", "model": service.name}

    def whole(self, answer: Gathered) -> dict[str, Any]:
        assert answer.finish is not None
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": answer.reasoning, "signature": ""})
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        content += [_tool_use(call) for call in answer.calls]
        return {**self._head, "content": content, **_ending(answer.finish), "usage": _usage(answer.finish.usage)}

    async def stream(self, ticket: Ticket) -> AsyncIterator[str]:
        blocks = _Blocks()
        begun = False
        try:
            async for item in ticket:
                if not begun:
                    begun = True
                    usage = _usage(Usage(prompt_tokens=ticket.prompt_tokens, cached_tokens=ticket.cached_tokens))
                    start: dict[str, Any] = {
                        **self._head,
                        "content": [],
                        "stop_reason": None,
                        "stop_sequence": None,
                        "usage": usage,
                    }
                    yield sse.event({"type": "message_start", "message": start}, "message_start")
                if isinstance(item, Chunk):
                    for event in item.events:
                        for text in blocks.add(event):
                            yield text
                elif isinstance(item, Finish):
                    for text in blocks.close():
                        yield text
                    delta = {"type": "message_delta", "delta": _ending(item), "usage": _usage(item.usage)}
                    yield sse.event(delta, "message_delta")
            yield sse.event({"type": "message_stop"}, "message_stop")
        except Exception as error:
            yield sse.event(anthropic_error(as_api_error(error)), "error")


class _Blocks:
    """Content blocks as they stream: one open at a time."""

    def __init__(self) -> None:
        self._index, self._open = -1, ""

    def add(self, event: Event) -> list[str]:
        if isinstance(event, ToolCallEvent) and not event.error:
            start = {**_tool_use(event), "input": {}}
            arguments = json.dumps(event.arguments, ensure_ascii=False)
            opened = [*self.close(), self._start("tool_use", start)]
            return [*opened, self._delta({"type": "input_json_delta", "partial_json": arguments}), *self.close()]
        if isinstance(event, ReasoningEvent):
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            return [*self._begin("thinking", empty), self._delta({"type": "thinking_delta", "thinking": event.text})]
        text = self._delta
        begun = self._begin("text", {"type": "text", "text": ""})
        return [*begun, text({"type": "text_delta", "text": text_of(event)})]

    def close(self) -> list[str]:
        if not self._open:
            return []
        closed, self._open = self._open, ""
        last = [self._delta({"type": "signature_delta", "signature": ""})] if closed == "thinking" else []
        return [*last, sse.event({"type": "content_block_stop", "index": self._index}, "content_block_stop")]

    def _begin(self, kind: str, empty: dict[str, Any]) -> list[str]:
        return [] if self._open == kind else [*self.close(), self._start(kind, empty)]

    def _start(self, kind: str, block: dict[str, Any]) -> str:
        self._index, self._open = self._index + 1, kind
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        return sse.event(event, "content_block_start")

    def _delta(self, delta: dict[str, Any]) -> str:
        return sse.event({"type": "content_block_delta", "index": self._index, "delta": delta}, "content_block_delta")


def _tool_use(call: ToolCallEvent) -> dict[str, Any]:
    return {"type": "tool_use", "id": new_id("toolu_"), "name": call.name, "input": call.arguments}


def _ending(finish: Finish) -> dict[str, Any]:
    reason = {"length": "max_tokens", "tool_calls": "tool_use"}.get(finish.reason, "end_turn")
    return {"stop_reason": "stop_sequence" if finish.stop else reason, "stop_sequence": finish.stop}


def _usage(usage: Usage) -> dict[str, Any]:
    """What was known is counted apart, as Anthropic does."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.completion_tokens,
    }

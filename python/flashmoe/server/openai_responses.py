"""/v1/responses: OpenAI's later API, in which a request may go on from an earlier response."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from ..chat import Event, ReasoningEvent, ToolCallEvent
from . import prompts, sse
from .answer import Ask, Choice, Chunk, Finish
from .body import JsonRoute
from .engine import Ticket
from .errors import ApiError, as_api_error
from .openai_common import TEXT_ONLY, Effort, Name, Seed, TopP, logprob_content
from .service import Service, Strict, new_id, sampling_of, text_of

KEPT = 256  # responses that can be gone on from
KEPT_CHARACTERS = 16 << 20  # of them together


class Item(Strict):
    """Of any kind; which fields are needed depends on the type."""

    type: str | None = None
    role: str | None = None
    content: str | list[dict[str, Any]] | None = None
    summary: list[dict[str, Any]] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[dict[str, Any]] | None = None


class ResponsesTool(Strict):
    type: str
    name: Name | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Strict):
    type: Literal["function"]
    name: Name


class TextFormat(Strict):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextOptions(Strict):
    format: TextFormat | None = None


class ReasoningOptions(Strict):
    effort: Effort | None = None


class ResponsesRequest(Strict):
    input: str | Annotated[list[Item], Field(min_length=1)]
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: list[str] | None = None
    tools: Annotated[list[ResponsesTool], Field(max_length=256)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None


@dataclass(frozen=True)
class _Past:
    """A response that was given. messages: the conversation up to its end. size: characters of both."""

    response: dict[str, Any]
    messages: list[dict[str, Any]]
    size: int


class _Kept:
    """Past responses by id; the oldest go first."""

    def __init__(self) -> None:
        self._past: OrderedDict[str, _Past] = OrderedDict()
        self._size = 0

    def get(self, id: str, param: str | None = None) -> _Past:
        if id not in self._past:
            message = f"there is no response {id[:80]!r} here (the last {KEPT} are kept); send the conversation again"
            raise ApiError(404, message, param)
        return self._past[id]

    def add(self, response: dict[str, Any], messages: list[dict[str, Any]]) -> None:
        past = _Past(response, messages, len(json.dumps(messages)) + len(json.dumps(response)))
        self._past[response["id"]] = past
        self._size += past.size
        while len(self._past) > 1 and (len(self._past) > KEPT or self._size > KEPT_CHARACTERS):
            self.remove(next(iter(self._past)))

    def remove(self, id: str) -> None:
        self._size -= self.get(id).size
        del self._past[id]


def router(service: Service) -> APIRouter:
    routes = APIRouter(route_class=JsonRoute)
    kept = _Kept()

    @routes.post("/v1/responses")
    async def responses(body: ResponsesRequest, request: Request) -> Response:
        if body.background:
            raise ApiError(400, "background is not supported; keep the connection, or use stream", "background")
        for name in ("conversation", "prompt"):
            if getattr(body, name) is not None:
                raise ApiError(400, f"{name} is not supported: nothing of it is stored here; send its items", name)
        given = body.previous_response_id
        past = kept.get(given, "previous_response_id").messages if given else []
        messages = [*past, *to_messages(body.input)]
        asked = _conversation(body, messages)
        ticket = await service.submit(request, lambda: _ask(service, body, asked), body.user)
        reply = _Reply(service, body, messages, kept if body.store is not False else None)
        if body.stream:
            return sse.EventStream(reply.stream(ticket), ticket.cancel)
        whole = await sse.whole(request, ticket.cancel, reply.whole(ticket))
        return whole if isinstance(whole, Response) else JSONResponse(whole)

    @routes.get("/v1/responses/{response_id}")
    async def retrieve(response_id: str) -> Response:
        return JSONResponse(kept.get(response_id).response)

    @routes.delete("/v1/responses/{response_id}")
    async def delete(response_id: str) -> Response:
        kept.remove(response_id)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    return routes


def _conversation(body: ResponsesRequest, messages: list[dict[str, Any]]) -> prompts.Conversation:
    system = [body.instructions] if body.instructions else []
    rest = list(messages)
    while rest and rest[0]["role"] == "system":
        system.append(rest.pop(0)["content"])
    head = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    form = body.text.format if body.text is not None else None
    if form is not None and form.type == "json_schema" and form.json_schema is None:
        raise ApiError(400, "text.format of type json_schema needs a schema", "text.format.schema")
    schema: dict[str, Any] | bool | None = None
    if form is not None and form.type != "text":
        schema = form.json_schema if form.type == "json_schema" else True
    named = body.tool_choice if isinstance(body.tool_choice, NamedTool) else None
    effort = body.reasoning.effort if body.reasoning is not None else None
    return prompts.Conversation(
        [*head, *rest],
        [_tool(tool) for tool in body.tools or ()],
        None if effort is None else effort not in ("none", "minimal"),
        choice="tool" if named else str(body.tool_choice or "auto"),
        name=named.name if named else None,
        parallel=body.parallel_tool_calls is not False,
        schema=schema,
        strict=any(tool.strict for tool in body.tools or ()),
    )


def _ask(service: Service, body: ResponsesRequest, asked: prompts.Conversation) -> Ask:
    sampling = sampling_of(service.defaults, temperature=body.temperature, top_p=body.top_p, seed=body.seed)
    wanted = "message.output_text.logprobs" in (body.include or ()) or bool(body.top_logprobs)
    top = (body.top_logprobs or 0) if wanted else None
    return service.ask(asked, sampling=sampling, max_tokens=body.max_output_tokens, top_logprobs=top)


def _tool(tool: ResponsesTool) -> dict[str, Any]:
    if tool.type != "function" or tool.name is None:
        raise ApiError(400, f"a tool of type {tool.type[:60]!r}: only named functions are known here", "tools")
    function = {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters or {}}
    return {"type": "function", "function": function}


def to_messages(items: str | list[Item]) -> list[dict[str, Any]]:
    """Items of input as messages. Raises ApiError."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    out: list[dict[str, Any]] = []
    thought = ""

    def assistant() -> dict[str, Any]:
        """The assistant's turn that is being put together."""
        nonlocal thought
        if not out or out[-1]["role"] != "assistant":
            out.append({"role": "assistant", "content": ""})
        if thought:
            out[-1]["reasoning_content"], thought = thought, ""
        return out[-1]

    for i, item in enumerate(items):
        where = f"input[{i}]"
        if item.type in (None, "message") and item.role in ("system", "developer", "user"):
            role = "system" if item.role == "developer" else item.role
            out.append({"role": role, "content": _text(item.content, where)})
        elif item.type in (None, "message") and item.role == "assistant":
            assistant()["content"] += _text(item.content, where)
        elif item.type == "function_call" and item.name:
            function = {"name": item.name, "arguments": item.arguments or "{}"}
            call = {"id": item.call_id or "", "type": "function", "function": function}
            assistant().setdefault("tool_calls", []).append(call)
        elif item.type == "function_call_output":
            out.append({"role": "tool", "content": _text(item.output, where), "tool_call_id": item.call_id or ""})
        elif item.type == "reasoning":
            thought += _text(item.content or item.summary, where)
        else:
            kind = item.type or f"message of role {item.role!r}"
            raise ApiError(400, f"{where} is an item of kind {str(kind)[:60]!r}, which is not supported", "input")
    return out


def _text(content: str | list[dict[str, Any]] | None, where: str) -> str:
    if not isinstance(content, list):
        return content or ""
    texts = []
    for part in content:
        text = part.get("text", part.get("refusal"))
        if str(part.get("type")).startswith(("input_image", "input_file", "input_audio")) or not isinstance(text, str):
            raise ApiError(400, f"{where} has a part of type {str(part.get('type'))[:40]!r}: {TEXT_ONLY}", "input")
        texts.append(text)
    return "".join(texts)


class _Reply:
    """The response, built as the events come; streamed or not, it is the same one."""

    def __init__(
        self, service: Service, body: ResponsesRequest, messages: list[dict[str, Any]], kept: _Kept | None
    ) -> None:
        self._model, self._body, self._messages, self._kept = service.model, body, messages, kept
        self._output: list[dict[str, Any]] = []
        self._sequence = 0
        form = body.text.format if body.text is not None and body.text.format is not None else None
        tool_choice = body.tool_choice.model_dump() if isinstance(body.tool_choice, NamedTool) else body.tool_choice
        self._head = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            "model": service.name,
            "instructions": body.instructions,
            "previous_response_id": body.previous_response_id,
            "max_output_tokens": body.max_output_tokens,
            "temperature": body.temperature,
            "top_p": body.top_p,
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "tool_choice": tool_choice or "auto",
            "tools": [tool.model_dump() for tool in body.tools or ()],
            "text": {"format": form.model_dump(by_alias=True, exclude_none=True) if form else {"type": "text"}},
            "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
            "metadata": body.metadata or {},
            "store": body.store is not False,
            "truncation": "disabled",
        }

    async def whole(self, ticket: Ticket) -> dict[str, Any]:
        async for item in ticket:
            if isinstance(item, Chunk):
                self._add(item)
            elif isinstance(item, Finish):
                self._close()
                return self._finished(item)
        raise AssertionError("an answer ends with a Finish")

    async def stream(self, ticket: Ticket) -> AsyncIterator[str]:
        begun = self._response("in_progress")
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        try:
            async for item in ticket:
                if isinstance(item, Chunk):
                    for text in self._add(item):
                        yield text
                elif isinstance(item, Finish):
                    for text in self._close():
                        yield text
                    done = self._finished(item)
                    yield self._event(f"response.{done['status']}", response=done)
        except Exception as error:
            told = as_api_error(error)
            failed = self._response("failed", error={"code": told.code or "server_error", "message": told.message})
            yield self._event("response.failed", response=failed)

    # ---- items of output

    def _add(self, chunk: Chunk) -> list[str]:
        out: list[str] = []
        tokens = chunk.tokens
        for event in chunk.events:
            if isinstance(event, ToolCallEvent) and not event.error:
                out += self._call(event)
            else:
                out += self._say(event, tokens)
                tokens = []
        return out

    def _say(self, event: Event, tokens: list[Choice]) -> list[str]:
        """More of a text or a thought."""
        thought = isinstance(event, ReasoningEvent)
        text = event.text if isinstance(event, ReasoningEvent) else text_of(event)
        kind, name = ("reasoning", "reasoning_text") if thought else ("message", "output_text")
        out: list[str] = []
        if self._open() != kind:
            out += self._close()
            item: dict[str, Any] = {"type": kind, "id": new_id("rs_" if thought else "msg_"), "status": "in_progress"}
            item["summary" if thought else "role"] = [] if thought else "assistant"
            self._output.append(item)
            out.append(self._event("response.output_item.added", **self._at(), item={**item, "content": []}))
            part: dict[str, Any] = {"type": name, "text": ""}
            item["content"] = [part if thought else {**part, "annotations": [], "logprobs": []}]
            added = {**self._at(), "item_id": item["id"], "content_index": 0, "part": dict(item["content"][0])}
            out.append(self._event("response.content_part.added", **added))
        item = self._output[-1]
        item["content"][0]["text"] += text
        place = {**self._at(), "item_id": item["id"], "content_index": 0, "delta": text}
        if not thought:
            place["logprobs"] = logprob_content(self._model, tokens)
            item["content"][0]["logprobs"] += place["logprobs"]
        return [*out, self._event(f"response.{name}.delta", **place)]

    def _call(self, event: ToolCallEvent) -> list[str]:
        out = self._close()
        arguments = json.dumps(event.arguments, ensure_ascii=False)
        item = {"type": "function_call", "id": new_id("fc_"), "call_id": new_id("call_"), "name": event.name}
        self._output.append({**item, "arguments": arguments, "status": "completed"})
        begun = {**item, "arguments": "", "status": "in_progress"}
        place = {**self._at(), "item_id": item["id"]}
        done = {"arguments": arguments, "name": event.name}
        return [
            *out,
            self._event("response.output_item.added", **self._at(), item=begun),
            self._event("response.function_call_arguments.delta", **place, delta=arguments),
            self._event("response.function_call_arguments.done", **place, **done),
            self._event("response.output_item.done", **self._at(), item=self._output[-1]),
        ]

    def _open(self) -> str:
        """The kind of the item that is being written."""
        if self._output and self._output[-1]["status"] == "in_progress":
            return str(self._output[-1]["type"])
        return ""

    def _close(self) -> list[str]:
        if not self._open():
            return []
        item = self._output[-1]
        item["status"] = "completed"
        part = item["content"][0]
        place = {**self._at(), "item_id": item["id"], "content_index": 0}
        logprobs = {"logprobs": part["logprobs"]} if "logprobs" in part else {}
        return [
            self._event(f"response.{part['type']}.done", **place, text=part["text"], **logprobs),
            self._event("response.content_part.done", **place, part=part),
            self._event("response.output_item.done", **self._at(), item=item),
        ]

    def _at(self) -> dict[str, Any]:
        return {"output_index": len(self._output) - 1}

    # ---- the response

    def _finished(self, finish: Finish) -> dict[str, Any]:
        usage = finish.usage
        short = finish.reason == "length"
        response = self._response(
            "incomplete" if short else "completed",
            incomplete_details={"reason": "max_output_tokens"} if short else None,
            usage={
                "input_tokens": usage.prompt_tokens,
                "input_tokens_details": {"cached_tokens": usage.cached_tokens},
                "output_tokens": usage.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": finish.reasoning_tokens},
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            },
        )
        if self._kept is not None:
            self._kept.add(response, [*self._messages, *self._said()])
        return response

    def _said(self) -> list[dict[str, Any]]:
        """The output as a message of the conversation."""
        return to_messages([Item.model_validate(item) for item in self._output])

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        rest = {"error": None, "incomplete_details": None, "usage": None, **more}
        return {**self._head, "status": status, "output": list(self._output), **rest}

    def _event(self, type: str, **fields: Any) -> str:
        self._sequence += 1
        return sse.event({"type": type, "sequence_number": self._sequence - 1, **fields}, type)

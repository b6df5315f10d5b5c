"""Bodies of requests: JSON as strict as it is meant, before any schema sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from .errors import ApiError

DEEPEST = 64  # levels; templates and schemas recurse over what they are given


class JsonRequest(Request):
    """Raises ApiError for whatever is wrong with the body."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class JsonRoute(APIRoute):
    """A route whose bodies are read by `parse`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle


def parse(body: bytes) -> Any:
    """JSON of a body. Halves of surrogate pairs, which truncated strings end in, become U+FFFD."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON value")

    try:
        value = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise ApiError(400, f"the body is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ApiError(400, f"the body is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise ApiError(400, f"the body is no valid JSON: {error}") from None
    return _cleaned(value, 0, b"\\u" in body)


def _cleaned(value: Any, depth: int, escapes: bool) -> Any:
    if depth > DEEPEST:
        raise ApiError(400, f"the body is nested deeper than {DEEPEST} levels")
    if isinstance(value, str) and escapes:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_cleaned(key, depth, escapes): _cleaned(item, depth + 1, escapes) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, depth + 1, escapes) for item in value]
    return value

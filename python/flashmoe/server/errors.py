"""Errors as the two protocols write them.

A request that cannot be answered gets one sentence and a status; the shape around them is that of the endpoint
which was called.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import JSONResponse

from ..errors import ContextFullError, FlashMoeError, MemoryBudgetError, TemplateError, UsageError

log = logging.getLogger("flashmoe.server")


class ApiError(Exception):
    """An answer of status 4xx or 5xx. param: the field that is to blame. retry_after: seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


# status: (OpenAI's type, Anthropic's type)
_KINDS = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("authentication_error", "authentication_error"),
    403: ("permission_error", "permission_error"),
    404: ("not_found_error", "not_found_error"),
    405: ("invalid_request_error", "invalid_request_error"),
    408: ("invalid_request_error", "invalid_request_error"),
    413: ("invalid_request_error", "request_too_large"),
    415: ("invalid_request_error", "invalid_request_error"),
    429: ("rate_limit_error", "rate_limit_error"),
    503: ("server_error", "overloaded_error"),
}


def openai_error(error: ApiError) -> dict[str, Any]:
    kind = _KINDS.get(error.status, ("server_error", ""))[0]
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def anthropic_error(error: ApiError) -> dict[str, Any]:
    kind = _KINDS.get(error.status, ("", "api_error"))[1]
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def error_body(error: ApiError, path: str) -> dict[str, Any]:
    """In the shape of the endpoint at `path`."""
    return anthropic_error(error) if path.startswith("/v1/messages") else openai_error(error)


def error_response(error: ApiError, path: str) -> JSONResponse:
    return JSONResponse(error_body(error, path), error.status, error.headers)


def as_api_error(error: BaseException) -> ApiError:
    """What a client is told of an exception: the whole of those that are made for people, nothing of the rest."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ContextFullError):
        return ApiError(400, str(error), "messages", "context_length_exceeded")
    if isinstance(error, UsageError | TemplateError):
        return ApiError(400, str(error))
    if isinstance(error, MemoryBudgetError):
        return ApiError(503, str(error), retry_after=10)
    if isinstance(error, FlashMoeError):
        return ApiError(500, str(error))
    log.error("a request failed", exc_info=error)
    return ApiError(500, f"the server failed: {type(error).__name__}; its log says more")

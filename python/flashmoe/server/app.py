"""The web application: every endpoint of every protocol over one engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from .._version import __version__
from ..errors import FlashMoeError
from ..prefix import PrefixStore
from . import anthropic, experts, models, openai_chat, openai_completions, openai_responses, page
from .engine import Engine
from .errors import ApiError, as_api_error, error_response
from .guard import Guard
from .metrics import Metrics
from .service import Service
from .settings import Settings

if TYPE_CHECKING:
    from ..model import Model

log = logging.getLogger("flashmoe.server")


def create_app(model: Model, settings: Settings) -> FastAPI:
    """The application, with its engine running; `app.state.service` is what it serves. Its lifespan ends the engine."""
    store = PrefixStore(model, settings.prefix_memory, settings.prefix_dir, settings.prefix_disk)
    engine = Engine(model, settings, store)
    service = Service(model, engine, settings, Metrics(engine))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        engine.close()

    app = FastAPI(
        title="flashmoe",
        version=__version__,
        description="Mixture-of-Experts language models larger than memory, behind the OpenAI and Anthropic APIs.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={"4XX": {"description": "the request cannot be answered; `message` says why"}},
    )
    app.state.service = service
    for module in (openai_chat, openai_completions, openai_responses, anthropic, models, experts, page):
        app.include_router(module.router(service))
    app.include_router(_watching(service))
    app.add_exception_handler(Exception, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for expected in (ApiError, FlashMoeError):  # told without a traceback in the log
        app.add_exception_handler(expected, _failed)
    app.add_middleware(Guard, settings=settings)
    return app


def _watching(service: Service) -> APIRouter:
    routes = APIRouter()

    @routes.head("/health", include_in_schema=False)
    @routes.get("/health")
    def health() -> JSONResponse:
        engine = service.engine
        status = "ok" if engine.failure is None else "failed"
        state = {"status": status, "model": service.name, "waiting": engine.waiting, "running": engine.running}
        return JSONResponse(state, 200 if status == "ok" else 503)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


async def _failed(request: Request, error: Exception) -> Response:
    return error_response(as_api_error(error), request.url.path)


async def _refused(request: Request, error: Exception) -> Response:
    """What the router says: no such path, wrong method."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ApiError):  # FastAPI wraps what is wrong with a body
        return error_response(error.__cause__, request.url.path)
    message = str(error.detail)
    if error.status_code in (404, 405):
        message = f"{message}: {request.method} {request.url.path[:100]}"
    return error_response(ApiError(error.status_code, message), request.url.path)


def _is_field(part: int | str) -> bool:
    """Whether a part of a place is a field or an index, not the member of a union that pydantic tried."""
    return isinstance(part, int) or not (part in _TYPES or part[:1].isupper() or "[" in part or "-" in part)


_TYPES = ("str", "int", "float", "bool", "dict", "list")


async def _invalid(request: Request, error: Exception) -> Response:
    """A body that does not fit its schema."""
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:] if _is_field(part))
    message = str(first["msg"])
    if first["loc"][:1] == ("body",) and not where:
        message = "the body should be a JSON object, sent as application/json"
    return error_response(ApiError(400, f"{where}: {message}" if where else message, where or None), request.url.path)

"""/v1/models, in a shape that OpenAI's and Anthropic's clients both read."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from .errors import ApiError
from .service import Service


def router(service: Service) -> APIRouter:
    routes = APIRouter()
    started = time.time()

    def description() -> dict[str, Any]:
        return {
            "id": service.name,
            "object": "model",
            "created": int(started),
            "owned_by": "flashmoe",
            "type": "model",
            "display_name": service.name,
            "created_at": datetime.fromtimestamp(int(started), UTC).isoformat().replace("+00:00", "Z"),
            "context_length": service.model.plan.context,
        }

    @routes.get("/v1/models")
    def list_models() -> JSONResponse:
        one = description()
        ends = {"has_more": False, "first_id": one["id"], "last_id": one["id"]}
        return JSONResponse({"object": "list", "data": [one], **ends})

    @routes.get("/v1/models/{name:path}")
    def one_model(name: str) -> JSONResponse:
        if name != service.name:
            message = f"there is no model {name[:100]!r}; this server has {service.name}"
            raise ApiError(404, message, "model", "model_not_found")
        return JSONResponse(description())

    return routes

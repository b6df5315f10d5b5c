"""`flashmoe serve`: the HTTP server."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from ..errors import UsageError
from ..system import parse_size
from . import options as opt
from .output import Progress, fewer_experts, note


def main(options: argparse.Namespace) -> int:
    try:
        from ..server.app import create_app
        from ..server.run import listen, serve
        from ..server.settings import Settings
    except ModuleNotFoundError as error:
        raise UsageError(f"`flashmoe serve` needs the package {error.name}; pip install {error.name}") from None

    settings = Settings(
        host=options.host,
        port=options.port,
        api_key=options.api_key or os.environ.get("FLASHMOE_API_KEY") or None,
        parallel=options.parallel,
        max_queue=options.max_queue,
        grace=options.grace,
        prefix_dir=Path(options.prefix_dir).expanduser() if options.prefix_dir else None,
        prefix_memory=parse_size(options.prefix_memory, least=0) if options.prefix_memory else None,
        prefix_disk=parse_size(options.prefix_disk),
        origins=tuple(options.allow_origin),
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    with listen(settings) as sock:  # a port that is taken is told before the weights are read
        loading = Progress("loading weights", "bytes")
        model = opt.open_model(options, loading)
        loading.done()
        app = create_app(model, settings)

        def started(port: int) -> None:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            note(f"backend {model.backend}: {model.backend_reason}")
            note(str(model.plan))
            for remark in fewer_experts(model):
                note(remark)
            note(f"up to {app.state.service.engine.parallel} answers at a time")
            print(f"{model.path.name} at http://{host}:{port}", flush=True)

        serve(app, settings, sock, started)
    return 0

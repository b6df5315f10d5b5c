"""One engine in a process of its own, told what to do by lines of JSON on stdin; it answers each with a line on stdout.

    {"do": "open", "model": PATH, …}   {"do": "new"}   {"do": "prefill", "ids": […]}   {"do": "decode", "ids": […]}

python -m bench.worker flashmoe | llama. Every answer has "seconds"; that of decode is a list, one for each token. The
tokens are forced: what the engine would have said is thrown away after it was computed.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

Answer = dict[str, Any]


class FlashMoe:
    """Options: memory, context, threads, reader."""

    def __init__(self) -> None:
        import flashmoe

        self._package = flashmoe
        self._session: Any = None

    def open(self, model: str, memory: int | str | None = None, context: int = 4096, **options: Any) -> Answer:
        self._model = self._package.Model(model, memory=memory, context=context, **options)
        plan = self._model.plan
        self.new()
        return {
            "kernels": plan.kernels, "threads": plan.threads, "reader": self._model.reader, "budget": plan.budget,
            "cache_slots": plan.cache_slots, "experts": plan.experts_in_model, "resident": plan.resident,
            "dense_bytes_per_token": plan.dense_bytes_per_token, "sweep": plan.sweep,
            "expert_bytes_per_token": plan.expert_bytes_per_token, "experts_total": plan.experts_total,
        }  # fmt: skip

    def new(self) -> Answer:
        if self._session is not None:
            self._session.close()
        self._session = self._model.session()
        return {}

    def record(self) -> Answer:
        self._session.record_routing()
        return {}

    def routing(self, path: str) -> Answer:
        """The experts chosen since `record`, as a file."""
        np.save(path, self._session.routing.astype(np.int16))
        return {}

    def prefill(self, ids: Sequence[int]) -> Answer:
        before = self._session.stats.prefill
        self._last = self._session.eval(ids)
        return {"stats": self._since(before, self._session.stats.prefill)}

    def logits(self) -> Answer:
        """After the last prompt."""
        return {"logits": self._last.tolist()}

    def decode(self, ids: Sequence[int]) -> Answer:
        before = self._session.stats.decode
        seconds = []
        for token in ids:
            start = time.perf_counter()
            self._session.eval([token])
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "stats": self._since(before, self._session.stats.decode)}

    @staticmethod
    def _since(before: Any, after: Any) -> dict[str, float]:
        first = asdict(before)
        return {name: value - first[name] for name, value in asdict(after).items()}


class Llama:
    """llama.cpp by llama-cpp-python. Options: threads, context, repack (weights into a layout of its own), load
    ("auto", "mmap", "direct", "none"), gpu_layers (so many in a GPU's memory)."""

    def __init__(self) -> None:
        import llama_cpp

        self._api: Any = llama_cpp

    def open(
        self, model: str, context: int = 4096, threads: int | None = None, repack: bool = True, load: str = "auto",
        gpu_layers: int = 0,
    ) -> Answer:  # fmt: skip
        api = self._api
        self._silent = api.llama_log_callback(lambda level, text, data: None)
        api.llama_log_set(self._silent, ctypes.c_void_p())
        api.llama_backend_init()
        options = api.llama_model_default_params()
        options.n_gpu_layers = gpu_layers
        options.use_extra_bufts = repack
        options.load_mode = {"auto": -1, "none": 0, "mmap": 1, "direct": 4}[load]
        self._model = api.llama_model_load_from_file(model.encode(), options)
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot open {model}")
        setting = api.llama_context_default_params()
        setting.n_ctx = context
        setting.n_batch = 2048
        setting.no_perf = True
        setting.n_threads = setting.n_threads_batch = threads or len(os.sched_getaffinity(0))
        self._context = api.llama_init_from_model(self._model, setting)
        if not self._context:
            raise RuntimeError("llama.cpp cannot make a context")
        return {
            "version": api.__version__,
            "system": api.llama_print_system_info().decode(),
            "threads": setting.n_threads,
        }

    def new(self) -> Answer:
        self._api.llama_memory_clear(self._api.llama_get_memory(self._context), True)
        return {}

    def _run(self, ids: Sequence[int]) -> None:
        tokens = (self._api.llama_token * len(ids))(*ids)
        if self._api.llama_decode(self._context, self._api.llama_batch_get_one(tokens, len(ids))) != 0:
            raise RuntimeError("llama_decode failed")
        self._api.llama_synchronize(self._context)

    def prefill(self, ids: Sequence[int]) -> Answer:
        for start in range(0, len(ids), 2048):
            self._run(ids[start : start + 2048])
        return {}

    def decode(self, ids: Sequence[int]) -> Answer:
        seconds = []
        for token in ids:
            start = time.perf_counter()
            self._run([token])
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds}

    def logits(self) -> Answer:
        """After the last token."""
        vocab = self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(self._model))
        found = np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, -1), (vocab,))
        return {"logits": found.tolist()}


def main() -> None:
    # Libraries that print must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine: Any = {"flashmoe": FlashMoe, "llama": Llama}[sys.argv[1]]()
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.perf_counter()
        try:
            answer = getattr(engine, asked.pop("do"))(**asked)
            answer.setdefault("seconds", time.perf_counter() - start)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # without the time that libraries take to tidy up


if __name__ == "__main__":
    main()

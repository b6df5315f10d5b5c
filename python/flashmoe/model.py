"""A model: a checkpoint opened within a memory budget."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from . import reader as reading
from . import session_file
from .errors import FlashMoeError, MemoryBudgetError, UsageError
from .plan import MemoryPlan
from .session import Progress, Session, token_array
from .spec import Config, ModelSpec
from .system import default_budget, default_card_budget, default_host_memory, parse_size

if TYPE_CHECKING:
    from .chat import Event
    from .generate import Generation
    from .sampling import Sampling
    from .text.tokenizer import Tokenizer

BACKENDS = ("auto", "cpu", "metal", "cuda", "soft")
CARD_REFUSED = "the card cannot run this model"  # begins `backend_reason` when auto came down to the CPU
READERS = ("auto", "direct", "buffered")
_SAMPLES, _SAMPLE = 64, 4096  # pieces of a file, and bytes of a piece, that the fingerprint looks at


def open_spec(model: str | Path) -> ModelSpec:
    """The description of a checkpoint: a folder, a hub id such as "owner/name", or "demo". Reads no weights.

    Raises CheckpointError when it is missing, damaged or of an unsupported kind.
    """
    from .checkpoints import open_checkpoint

    path = Path(model)
    if model in ("", "demo") or not path.is_dir():  # a folder of that name is ./demo
        from .hub import resolve

        path = resolve(str(model))
    return open_checkpoint(path)


def _count(name: str, value: int | None, most: int) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise UsageError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
    return value


def _choose(backend: str) -> tuple[str, str]:
    """The backend that a name means, and why."""
    if backend not in BACKENDS:
        raise UsageError(f"backend {backend!r} does not exist in this version; choose from {', '.join(BACKENDS)}")
    if backend != "auto":
        return backend, "as asked for"
    from .gpu.choose import choose

    chosen = choose()
    return chosen.backend, chosen.reason


def _budgets(backend: str, memory: int | str | None, host_memory: int | str | None) -> tuple[int, int]:
    """Bytes of the budget, and beside a card of the host."""
    if host_memory is not None and backend not in ("cuda", "soft"):
        raise UsageError(
            f"host_memory is for a card with memory of its own; the {backend} backend has only `memory`"
        )
    host = parse_size(host_memory, least=0) if host_memory is not None else 0
    if backend != "cuda":
        return default_budget() if memory is None else parse_size(memory), host
    if memory is None:
        from .gpu.choose import card_memory

        memory = default_card_budget(card_memory())
    return parse_size(memory), default_host_memory() if host_memory is None else host


def _options(
    backend: str,
    memory: int | str | None,
    host_memory: int | str | None,
    experts_per_token: int | None,
    threads: int | None,
    context: int | None,
    reader: str,
    kernels: str | None,
) -> dict[str, Any]:
    if reader not in READERS:
        raise UsageError(f"reader {reader!r} does not exist; choose from {', '.join(READERS)}")
    budget, host = _budgets(backend, memory, host_memory)
    return {
        "memory": budget,
        "host_memory": host,
        "threads": _count("threads", threads, 1024),
        "context": _count("context", context, 1 << 30),
        "experts_per_token": _count("experts_per_token", experts_per_token, 1 << 16),
        "reader": reader,
        "kernels": kernels or "",
        "backend": backend,
        "shaders": "",
        "shader_order": 0,
    }


def _plan(spec: ModelSpec, native: dict[str, Any]) -> MemoryPlan:
    return MemoryPlan(**native, experts_in_model=spec.config.layers * spec.config.experts)


def plan_memory(
    spec: ModelSpec,
    *,
    backend: str = "auto",
    memory: int | str | None = None,
    host_memory: int | str | None = None,
    experts_per_token: int | None = None,
    threads: int | None = None,
    context: int | None = None,
) -> MemoryPlan:
    """The plan that `Model` would follow, without opening the weights. Raises MemoryBudgetError when it cannot fit."""
    from . import _core

    name, _ = _choose(backend)
    options = _options(name, memory, host_memory, experts_per_token, threads, context, "auto", None)
    try:
        return _plan(spec, _core.plan(spec, options))
    except MemoryBudgetError:
        if name == backend or name == "cpu":
            raise
        return plan_memory(spec, backend="cpu", memory=memory, experts_per_token=experts_per_token,
                           threads=threads, context=context)  # fmt: skip


class Model:
    """A checkpoint, opened: dense weights in memory, routed experts read from its files as they are needed.

        model = flashmoe.Model("demo", memory="64MiB")
        for token in model.generate("What is a Mixture of Experts?", max_tokens=100):
            print(token.text, end="")

    path: a checkpoint folder (Hugging Face or MLX safetensors, as downloaded), a hub id, or "demo".
    backend: "cpu", "metal", "cuda", "soft" (the GPU backend with its shaders run on the CPU, slowly: docs/gpu.md), or
        "auto": an NVIDIA card that works, else the CPU. `backend` and `backend_reason` say what it came to.
    memory: ceiling of all model memory, as "8GiB" or bytes; by default a safe share of what is free. With "cuda", of
        the card's memory.
    host_memory: with "cuda", memory of the machine for experts that the card has no room for; by default at most half
        of what is free, 0 for none but what reading needs. The soft device, given it, behaves like a card.
    experts_per_token: fewer (or more) than the checkpoint asks for; the default is exact.
    threads: of computing; by default one for each core that the process may use.
    context: positions of a session; by default what a small share of the budget holds.
    reader: how experts are read: "direct" (past the page cache), "buffered", or "auto": buffered where the page cache
        has room for the whole model beside the budget, else direct where the file system allows it. `reader` and
        `reader_reason` say what it came to.
    kernels: a table of CPU kernels by name, for tests; by default the best that the processor runs.
    progress: called with (bytes done, bytes in all) while the dense weights are loaded; a true return cancels.

    Raises CheckpointError, MemoryBudgetError (with the smallest budget that would do), ReadError, UsageError.
    """

    def __init__(
        self,
        path: str | Path = "demo",
        backend: str = "auto",
        memory: int | str | None = None,
        experts_per_token: int | None = None,
        threads: int | None = None,
        context: int | None = None,
        *,
        host_memory: int | str | None = None,
        reader: str = "auto",
        kernels: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.backend, self.backend_reason = _choose(backend)
        self.spec = path if isinstance(path, ModelSpec) else open_spec(path)
        self.path = self.spec.path

        def attempt() -> None:
            options = _options(
                self.backend, memory, host_memory, experts_per_token, threads, context, reader, kernels
            )
            self._open(options, progress)

        try:
            attempt()
        except FlashMoeError as error:
            # What a card cannot do the CPU may; what is wrong with the model or the call it cannot either.
            if self.backend == backend or self.backend == "cpu" or type(error) not in (
                FlashMoeError,
                MemoryBudgetError,
            ):
                raise
            self.backend_reason = f"{CARD_REFUSED}: {error}"
            self.backend, host_memory = "cpu", None
            attempt()
        self._reserved: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._reserving = threading.Lock()

    def _open(self, options: dict[str, Any], progress: Progress | None) -> None:
        from . import _core

        if self.backend != "cpu":
            from .gpu import prepare

            options["shaders"] = str(prepare(self.backend))
            options["shader_order"] = int(os.environ.get("FLASHMOE_SHADER_ORDER", "0"))
        auto = options["reader"] == "auto"
        room = auto and reading.cache_has_room(
            self.spec, options["host_memory"] if self.backend == "cuda" else options["memory"]
        )
        if room:
            options["reader"] = "buffered"
        self._native = _core.Model(self.spec, options, progress)
        self.plan = _plan(self.spec, self._native.plan())
        self.reader: str = self._native.reader()
        self.reader_reason = "as asked for"
        if auto:
            self.reader_reason = (
                reading.BUFFERED if room else reading.DIRECT if self.reader == "direct" else reading.REFUSED
            )

    @property
    def config(self) -> Config:
        return self.spec.config

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises CheckpointError when the checkpoint has no tokenizer."""
        from .text.tokenizer import Tokenizer

        return Tokenizer.from_spec(self.spec)

    @cached_property
    def fingerprint(self) -> str:
        """Ties saved sessions to this model: its shape, its weights' names, formats, places and samples, K, and the
        backend's layout of the state."""
        digest = hashlib.sha256()
        if self.backend != "cpu":
            digest.update(b"gpu")
        digest.update(repr((self.spec.config, self.spec.norm_shift, self.plan.experts_per_token)).encode())
        for path in self.spec.files:
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}".encode())
            with path.open("rb") as file:  # retrained weights have the same names and sizes
                for i in range(_SAMPLES):
                    file.seek(i * max(0, size - _SAMPLE) // (_SAMPLES - 1))
                    digest.update(file.read(_SAMPLE))
        for key, tensor in sorted(self.spec.tensors.items()):
            digest.update(repr((key, tensor)).encode())
        for table in self.spec.experts:
            digest.update(repr((table.name, table.gate, table.up, table.down)).encode())
        return digest.hexdigest()

    def reserve(self, owner: object, size: int) -> None:
        """Sets how many bytes of the memory budget an object uses beside the model, say for saved states; the expert
        cache gives up as much. What an object has reserved is free again once it is gone and somebody else reserves.

        Raises MemoryBudgetError when there is no room; what the owner had reserved before then stays.
        """
        with self._reserving:
            others = sum(other for key, other in self._reserved.items() if key is not owner)
            self._native.reserve(others + size)
            self._reserved[owner] = size

    def session(self) -> Session:
        """A new, empty session. Raises MemoryBudgetError when the budget has no room for one more."""
        return Session(self, self._native.session())

    def expert_map(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """What the cache does with each expert, arrays of [layers, experts]: how often it was asked for and how often
        it was read since the model was opened (uint32, wrapping), and whether it is in memory. Never waits for a
        running call, so it can be watched."""
        return self._native.expert_map()

    @property
    def room(self) -> int:
        """How many more sessions the budget holds, each with the plan's whole context. Every one of them takes its
        memory from the expert cache, down to the experts of one token. Never waits for a running call."""
        return self._native.room()

    def step(
        self, sessions: Sequence[Session], token_ids: Sequence[int] | npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """Appends one token to each of n sessions of this model in one pass, in which an expert that several of them
        need is read once, and returns the logits after each: float32 [n, vocab], the same bits as `n` calls of `eval`.

        token_ids: one for each session, in their order. At most `plan.sweep` sessions, all different; where each of
        them stands does not matter. Cancelling one of them (`Session.cancel`) cancels the step. Each counts the step
        in its decode stats, see `PhaseStats`.

        Raises UsageError, ContextFullError (naming the session by its place in the list), ReadError, Cancelled. Every
        session is then where it was.
        """
        ids = token_array(token_ids)
        if len(ids) != len(sessions):
            raise UsageError(f"a step takes one token for each session: {len(sessions)} sessions, {len(ids)} tokens")
        with ExitStack() as stack:
            for session in sorted(sessions, key=id):  # in one order everywhere, so that no two steps wait in a ring
                stack.enter_context(session._lock)
            return self._native.step([session._native for session in sessions], ids)

    def load_session(self, path: str | Path) -> Session:
        """A session saved by `Session.save`. Raises SessionFileError when the file is damaged or of another model."""
        session = self.session()
        try:
            session_file.load(Path(path), self.fingerprint, session._native)
        except BaseException:
            session.close()
            raise
        return session

    def generate(
        self,
        prompt: str | Sequence[int],
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        **options: Any,
    ) -> Generation:
        """Continues a text or token ids: an iterator of Token(id, text, logprob). See `flashmoe.generate.generate`."""
        from .generate import generate

        return generate(self, prompt, max_tokens=max_tokens, sampling=sampling, **options)

    def chat(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[Any] | None = None, **options: Any
    ) -> Iterator[Event]:
        """Answers a conversation: an iterator of events (text, reasoning, tool call, finish). See
        `flashmoe.chat.chat`."""
        from .chat import chat

        return chat(self, messages, tools=tools, **options)

    def __repr__(self) -> str:
        return f"<Model {self.path.name}: {self.config.layers} layers, {self.config.experts} experts>"


__all__ = ["Model", "open_spec", "plan_memory"]

"""flashmoe runs Mixture-of-Experts language models larger than memory, exactly, by streaming experts from SSD.

    import flashmoe

    model = flashmoe.Model("demo", memory="64MiB")
    for token in model.generate("Hello", max_tokens=50):
        print(token.text, end="", flush=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import (
    Cancelled,
    CheckpointError,
    ContextFullError,
    FlashMoeError,
    MemoryBudgetError,
    ReadError,
    SessionFileError,
    TemplateError,
    UsageError,
)
from .model import Model, open_spec, plan_memory
from .sampling import Sampling
from .session import Session

if TYPE_CHECKING:
    from .chat import Chat, FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
    from .generate import Token

__all__ = [
    "Cancelled",
    "Chat",
    "CheckpointError",
    "ContextFullError",
    "FinishEvent",
    "FlashMoeError",
    "MemoryBudgetError",
    "Model",
    "ReadError",
    "ReasoningEvent",
    "Sampling",
    "Session",
    "SessionFileError",
    "TemplateError",
    "TextEvent",
    "Token",
    "ToolCallEvent",
    "UsageError",
    "__version__",
    "open_spec",
    "plan_memory",
]

# What chatting needs (templates, tokenizers) is imported when it is first used: `import flashmoe` stays quick.
_LATER = {
    "Chat": "chat",
    "FinishEvent": "chat",
    "ReasoningEvent": "chat",
    "TextEvent": "chat",
    "ToolCallEvent": "chat",
    "Token": "generate",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'flashmoe' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)

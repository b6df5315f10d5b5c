"""flashmoe runs Mixture-of-Experts language models larger than memory, exactly, by streaming experts from SSD.

    import flashmoe

    model = flashmoe.Model("demo", memory="64MiB")
    for token in model.generate("Hello", max_tokens=50):
        print(token.text, end="", flush=True)
"""

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

__all__ = [
    "Cancelled",
    "CheckpointError",
    "ContextFullError",
    "FlashMoeError",
    "MemoryBudgetError",
    "Model",
    "ReadError",
    "Sampling",
    "Session",
    "SessionFileError",
    "TemplateError",
    "UsageError",
    "__version__",
    "open_spec",
    "plan_memory",
]

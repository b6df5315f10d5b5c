"""Every error that flashmoe raises on purpose. Each message names what is wrong and the way out."""

from __future__ import annotations


class FlashMoeError(Exception):
    """Base of all errors of this package."""


class CheckpointError(FlashMoeError):
    """A checkpoint is missing, damaged, contradictory or of an unsupported kind."""


class ConversionError(FlashMoeError):
    """A conversion cannot start or go on: its target is taken, or the disk is full. What is finished is
    kept."""


class MemoryBudgetError(FlashMoeError):
    """The memory budget cannot hold what was asked for; the message gives the smallest one that would."""


class ReadError(FlashMoeError):
    """Reading weights failed or came short. The call failed; the session is as it was before it."""


class ContextFullError(FlashMoeError):
    """The session's context cannot take as many tokens as were given."""


class Cancelled(FlashMoeError):
    """The call was cancelled from another thread or by a progress callback."""


class SessionFileError(FlashMoeError):
    """A saved session is damaged, or belongs to another model."""


class TemplateError(FlashMoeError):
    """The checkpoint's chat template is missing or refuses these messages."""


class UsageError(FlashMoeError, ValueError):
    """An argument is out of range or of the wrong kind."""

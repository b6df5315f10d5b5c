"""Files inside a folder. No path leads out: not by `..`, nor by a link, nor by one that is put there meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .toolbox import Tool, tool

READ_MOST = 15_000  # characters of a file that are read at once
WRITE_MOST = 1 << 20  # characters of a file that is written
LIST_MOST = 200


def file_tools(folder: str | Path) -> list[Tool]:
    """read_file, list_files and write_file, which asks, in a folder."""
    root = Path(folder).resolve()

    def read_file(path: str, offset: int = 0) -> str:
        """Read a text file of the working folder.

        path: relative to the working folder
        offset: characters to skip, to read on in a long file
        """
        descriptor = _open(root, path, os.O_RDONLY)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UsageError(f"{path} is no file; list_files shows what there is")
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            text = file.read(max(0, offset) + READ_MOST + 1)[max(0, offset) :]
        if len(text) > READ_MOST:
            return f"{text[:READ_MOST]}\n… (more follows; read on with offset={max(0, offset) + READ_MOST})"
        return text or "(the file is empty, or ends here)"

    def list_files(path: str = ".") -> str:
        """List the files of the working folder, or of a folder in it.

        path: relative to the working folder
        """
        descriptor = _open(root, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(descriptor) as entries:
                found = sorted(f"{entry.name}/" if _is_folder(entry) else entry.name for entry in entries)
        finally:
            os.close(descriptor)
        more = [f"… and {len(found) - LIST_MOST} more"] if len(found) > LIST_MOST else []
        return "\n".join([*found[:LIST_MOST], *more]) or "(the folder is empty)"

    def write_file(path: str, text: str) -> str:
        """Write a text file in the working folder; replaces what it was.

        path: relative to the working folder; its folder must exist
        text: all of the file
        """
        if len(text) > WRITE_MOST:
            raise UsageError(f"the text is longer than {WRITE_MOST:,} characters")
        descriptor = _open(root, path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{path} is no file")
            file.truncate()
            file.write(text)
        return f"{path} has {len(text):,} characters now"

    def preview(arguments: Mapping[str, Any]) -> str:
        path, text = arguments.get("path"), str(arguments.get("text", ""))
        there = "replaces" if (root / str(path)).exists() else "creates"
        return f"{there} {path} in {root}\n\n{text[:2000]}{'…' if len(text) > 2000 else ''}"

    return [tool(read_file), tool(list_files), tool(write_file, ask=True, preview=preview)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir(follow_symlinks=False)
    return False


def _open(root: Path, path: str, flags: int) -> int:
    """A descriptor of a path inside the root. Links are followed first, and what they lead to must be inside; then
    every part is opened from the one before it without following any, so that a link put there meanwhile fails."""
    try:
        resolved = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{path!r} is no path: {error}") from None
    if not resolved.is_relative_to(root):
        raise UsageError(f"{path} is outside the working folder; paths are relative to it")
    *folders, name = resolved.relative_to(root).parts or (".",)
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=at)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    finally:
        os.close(at)

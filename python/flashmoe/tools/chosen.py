"""The tools that a person asks for by name."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..errors import UsageError
from .calculator import calculate
from .files import file_tools
from .shell import shell_tool
from .toolbox import Tool, Toolbox, tool

NAMED = ("calculator", "files", "shell")


def chosen_tools(names: Sequence[str], folder: str | Path, stack: ExitStack) -> Toolbox:
    """Tools by what was asked for: "calculator", "files" and "shell" (in the folder), "all" of these, a Python file
    (its public functions), or "mcp:COMMAND" (a server, which the stack ends).

    Raises UsageError for what is none of these.
    """
    box = Toolbox()
    for name in dict.fromkeys(NAMED if "all" in names else ()) | dict.fromkeys(names):
        if name == "all":
            continue
        if name == "calculator":
            box.add(calculate)
        elif name == "files":
            for one in file_tools(folder):
                box.add(one)
        elif name == "shell":
            box.add(shell_tool(folder))
        elif name.startswith("mcp:"):
            from .mcp import McpServer

            for one in stack.enter_context(McpServer(name.removeprefix("mcp:"))).tools:
                box.add(one)
        elif name.endswith(".py"):
            for one in functions_of(Path(name)):
                box.add(one)
        else:
            raise UsageError(
                f"there are no tools called {name!r}; give {', '.join(NAMED)}, all, a Python file, or mcp:COMMAND"
            )
    return box


def functions_of(path: Path) -> list[Tool]:
    """The public functions that a Python file defines, and its tools."""
    specification = importlib.util.spec_from_file_location(f"flashmoe_tools_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise UsageError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # it is a foreign program
        raise UsageError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    found: list[Tool] = []
    for name, value in vars(module).items():
        if isinstance(value, Tool):
            found.append(value)
        elif not name.startswith("_") and inspect.isfunction(value) and value.__module__ == module.__name__:
            found.append(tool(value))
    if not found:
        raise UsageError(f"{path} defines no functions that a model could call")
    return found

"""A calculator: arithmetic on numbers, read as a syntax tree and never evaluated as a program."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from ..errors import UsageError

LONGEST = 1000  # characters of an expression
DIGITS = 4000  # bits of an integer, about 1,200 digits

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(math, name)
    for name in (
        *("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
        *("floor", "ceil", "hypot", "degrees", "radians", "gcd"),
    )
} | {"abs": abs, "round": round, "min": min, "max": max}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(expression: str) -> str:
    """Calculate an arithmetic expression.

    expression: such as "(3 + 4) * 2 ** 10 / sqrt(2)"; functions sqrt, exp, log, sin, cos, round, min, max, abs and
        others, constants pi and e
    """
    text = expression.strip().replace("^", "**").replace("×", "*").replace("÷", "/").replace("−", "-")
    if len(text) > LONGEST:
        raise UsageError(f"the expression is longer than {LONGEST} characters")
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ZeroDivisionError, OverflowError, RecursionError, MemoryError) as error:
        if isinstance(error, UsageError):
            raise
        reason = "it is no arithmetic" if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"{expression} cannot be calculated: {reason}") from None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _value(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _small(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _small(_power(_value(node.left), _value(node.right)))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _small(_BINARY[type(node.op)](_value(node.left), _value(node.right)))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _small(_UNARY[type(node.op)](_value(node.operand)))
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in _FUNCTIONS:
            raise UsageError(f"there is no function {node.func.id}; there are {', '.join(sorted(_FUNCTIONS))}")
        return _small(_FUNCTIONS[node.func.id](*map(_value, node.args)))
    raise UsageError(f"{ast.unparse(node)[:40]} is no arithmetic")


def _power(base: int | float, exponent: int | float) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > DIGITS:
        raise UsageError("the power is too large")
    return base**exponent


def _small(value: Any) -> int | float:
    if type(value) not in (int, float) or (isinstance(value, int) and value.bit_length() > DIGITS):
        raise UsageError("the result is too large, or no real number")
    return value  # type: ignore[no-any-return]

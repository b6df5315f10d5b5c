"""How often answers have the form that was asked for, free and constrained, while the model is made worse.

    python bench/structured.py             # the table of docs/quality.md

JSON: a name, a town and a number from a sentence, to a schema. Calls: a tool that must be called, with three typed
arguments. A row counts answers of the right form and, of all, those that are also right. The damaged model is the
demo with its experts at 2 bits and every scale of theirs multiplied by exp of a normal number of this width.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import flashmoe
from flashmoe.chat import ToolCallEvent, chat
from flashmoe.convert import convert
from flashmoe.structured import Constraint

NAMES = ["Ann", "Bert", "Chloe", "Derek", "Ewa", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mona"]
TOWNS = ["Oslo", "Lima", "Cairo", "Dublin", "Hanoi", "Vienna", "Lagos", "Riga", "Bogota", "Perth"]
NOISE = 0.25
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "city": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "city", "age"],
    "additionalProperties": False,
}
BOOK = {
    "name": "book_table",
    "description": "Book a table in a restaurant",
    "parameters": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "people": {"type": "integer"},
            "time": {"enum": ["noon", "evening"]},
        },
        "required": ["name", "people", "time"],
    },
}


def cases(n: int) -> Iterator[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    random = np.random.default_rng(7)
    for i in range(n):
        name, city, age = NAMES[i % len(NAMES)], TOWNS[int(random.integers(len(TOWNS)))], int(random.integers(18, 90))
        people, time = int(random.integers(2, 9)), ("noon", "evening")[int(random.integers(2))]
        yield (
            f"Extract the name, city and age as JSON: {name} is {age} years old and lives in {city}.",
            {"name": name, "city": city, "age": age},
            f"Book a table for {people} people at {time}, in the name of {name}.",
            {"name": name, "people": people, "time": time},
        )


def measure(model: flashmoe.Model, n: int, temperature: float, constrained: bool) -> list[int]:
    """JSON of the right form, right; calls of the right form, right."""
    counts = [0, 0, 0, 0]
    json_form = Constraint.json_schema(PERSON, model.tokenizer) if constrained else None
    for seed, (text, wanted, request, arguments) in enumerate(cases(n)):
        sampling = flashmoe.Sampling(temperature=temperature, top_k=0, top_p=1, seed=seed)
        user = [{"role": "user", "content": text}]
        answer = chat(model, user, sampling=sampling, max_tokens=96, constraint=json_form)
        list(answer)
        value = parsed(answer.message["content"])
        counts[0] += value is not None
        counts[1] += value == wanted
        user = [{"role": "user", "content": request}]
        choice = "required" if constrained else None
        events = list(chat(model, user, [BOOK], sampling=sampling, max_tokens=96, tool_choice=choice))
        calls = [event for event in events if isinstance(event, ToolCallEvent)]
        counts[2] += bool(calls) and all(well_formed(call) for call in calls)
        counts[3] += [call.arguments for call in calls] == [arguments]
    return counts


def parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    kinds = {"name": str, "city": str, "age": int}
    fits = isinstance(value, dict) and {key: type(item) for key, item in value.items()} == kinds
    return value if fits else None


def well_formed(call: ToolCallEvent) -> bool:
    kinds = {"name": str, "people": int, "time": str}
    fits = {key: type(value) for key, value in call.arguments.items()} == kinds
    return not call.error and fits and call.arguments["time"] in ("noon", "evening")


def damaged(folder: Path, noise: float) -> Path:
    """The demo with experts at 2 bits, and noise on their scales."""
    convert("demo", folder, bits=4, experts=2)
    random = np.random.default_rng(1)
    for path in folder.glob("*.safetensors"):
        data = bytearray(path.read_bytes())
        length = struct.unpack("<Q", data[:8])[0]
        for name, tensor in json.loads(data[8 : 8 + length]).items():
            if ".switch_mlp." in name and name.endswith(".scales"):
                assert tensor["dtype"] == "BF16"
                start, end = (8 + length + at for at in tensor["data_offsets"])
                bits = np.frombuffer(data[start:end], "<u2").astype(np.uint32) << 16
                scales = bits.view(np.float32) * np.exp(random.normal(0, noise, bits.size)).astype(np.float32)
                data[start:end] = (scales.view(np.uint32) >> 16).astype("<u2").tobytes()
        path.write_bytes(data)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=40, help="cases of each kind")
    n = parser.parse_args().n
    print(f"| of {n}: model, temperature | | JSON valid | right | calls valid | right |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        bad = damaged(Path(folder) / "bad", NOISE)
        rows: list[tuple[str, Any, dict[str, Any], float]] = [
            ("as it ships, 0", "demo", {}, 0.0),
            ("as it ships, 1.5", "demo", {}, 1.5),
            ("1 expert a token, 0", "demo", {"experts_per_token": 1}, 0.0),
            ("2 bits, scales damaged, 0", bad, {}, 0.0),
            ("2 bits, scales damaged, 1.5", bad, {}, 1.5),
        ]
        for title, path, options, temperature in rows:
            model = flashmoe.Model(path, memory="200MiB", context=512, **options)
            for constrained in (False, True):
                counts = measure(model, n, temperature, constrained)
                how = "constrained" if constrained else "free"
                print(f"| {title} | {how} | {' | '.join(map(str, counts))} |", flush=True)


if __name__ == "__main__":
    main()

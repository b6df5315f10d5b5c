"""A server for the benches: `flashmoe serve` as a process of its own, and requests to it with their times."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models

import flashmoe


@dataclass(frozen=True)
class Reply:
    text: str
    first: float  # seconds to the first token
    seconds: float
    usage: dict[str, Any]


def ask(url: str, path: str, body: dict[str, Any]) -> Reply:
    """Streams an answer."""
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    start, first, text, usage = time.perf_counter(), 0.0, "", {}
    with urllib.request.urlopen(request) as response:
        for line in response:
            if line.startswith(b"data: {"):
                chunk = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                for choice in chunk["choices"]:
                    delta = choice.get("text") or choice.get("delta", {}).get("content") or ""
                    first = first or (time.perf_counter() - start if delta else 0.0)
                    text += delta
    return Reply(text, first, time.perf_counter() - start, usage)


def metrics(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as response:
        lines = [line.rsplit(" ", 1) for line in response.read().decode().splitlines() if line[:1] != "#"]
    return {name: float(value) for name, value in lines}


@contextmanager
def serve(model: str | Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """(its URL, the process). It is told to stop at the end, if it runs still."""
    command = [sys.executable, "-m", "flashmoe", "serve", "--port", "0", "--model", str(model), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit(process.stderr.read())
        yield line.split()[-1], process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def with_tokenizer(model: str) -> Iterator[str]:
    """The checkpoint as it is, or a folder of links to it with a made-up tokenizer, to which a token is its number."""
    spec = flashmoe.open_spec(model)
    if spec.tokenizer_file is not None:
        yield model
        return
    made = tokenizers.Tokenizer(models.BPE({f"Ġ{i}": i for i in range(spec.config.vocab)}, []))
    made.decoder = decoders.ByteLevel()
    with tempfile.TemporaryDirectory() as folder:
        for file in Path(model).iterdir():
            (Path(folder) / file.name).symlink_to(file.resolve())
        made.save(f"{folder}/tokenizer.json")
        yield folder


def random_ids(count: int, seed: int, vocab: int) -> Sequence[int]:
    import numpy as np

    return [int(id) for id in np.random.default_rng(seed).integers(0, vocab, count)]

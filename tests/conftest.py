"""Fixtures of several test modules."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flashmoe
from flashmoe.cli import options as opt
from flashmoe.gpu import choose

from .fake_model import TEMPLATE, FakeModel, tokenizer_json
from .fixtures import fixture


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A writable copy of a fixture's checkpoint."""

    def make(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(fixture(name).folder, target)
        return target

    return make


@pytest.fixture
def choose_freely() -> Iterator[None]:
    """For tests of `auto`, which is the CPU in all others, whatever the machine has."""
    choose.choose.cache_clear()
    yield
    choose.choose.cache_clear()


@pytest.fixture(autouse=True)
def auto_is_the_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "choose_freely" not in request.fixturenames:
        monkeypatch.setattr(choose, "choose", lambda: choose.Choice("cpu", "this is a test"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeModel]:
    """Makes the commands open a fake model with these replies."""

    def use(*replies: str, **options: Any) -> FakeModel:
        model = FakeModel(replies, **options)
        model.generate = lambda prompt, **o: flashmoe.generate.generate(model, prompt, **o)  # type: ignore[attr-defined]
        monkeypatch.setattr(opt, "open_model", lambda options, progress=None: model)
        return model

    return use


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of random weights that can be talked to."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    shutil.copytree(fixture("mlx-4bit-g64").folder, folder)
    (folder / "tokenizer.json").write_text(tokenizer_json(256))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder

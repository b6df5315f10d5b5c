"""Finds the folder of a model: a path, "demo", or an id on the Hugging Face hub, downloaded when it is not
there yet.

Downloads go to the hub's own cache, so that what other programs have fetched is used and the other way round.
A model whose files are all in the cache is opened without asking the network; `pull` asks for what is new.
"""

from __future__ import annotations

import errno
import fnmatch
import importlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .checkpoints.safetensors import INDEX_NAME, read_json, shard_names
from .errors import CheckpointError, UsageError
from .system import format_size

# What a model needs to run; nothing from subfolders.
PATTERNS = ["*.safetensors", "*.json", "*.jinja"]
IGNORED = ["*/*", "consolidated*", "onnx*", "openvino*"]

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?", re.ASCII)

Progress = Callable[[int, int, str], None]  # bytes done, bytes in all, what


def resolve(model: str, progress: Progress | None = None) -> Path:
    """The folder of a model: an existing path as it is, "demo" for the model in this package, or a hub id
    "owner/name[@revision]", from the cache or else downloaded.

    progress: called with (bytes done, bytes in all, what) during a download; without it the hub's own bars go
    to stderr. Raises CheckpointError, which says what to do, when there is no such model or it cannot be
    fetched.
    """
    if model == "demo":
        folder = Path(__file__).with_name("demo")  # also in an editable install
        if not folder.is_dir():
            raise CheckpointError(
                "this build of flashmoe has no demo model; give a checkpoint folder or a hub id"
            )
        return folder
    if not model:
        raise UsageError('the model is an empty text; give a checkpoint folder, a hub id or "demo"')
    path = Path(model).expanduser()
    if path.exists():
        return path
    match = _HUB_ID.fullmatch(model)
    if match is None:
        raise CheckpointError(
            f"{model}: no such folder, and not an id on the hub, which looks like owner/name"
        )
    cached = _cached(match[1], match[2])
    if cached is not None and (cached / "tokenizer.json").exists() and not _missing(cached):
        return cached
    try:
        return pull(model, progress)
    except CheckpointError:
        if cached is not None and not _missing(cached):
            return cached  # no tokenizer, but weights: usable, and all that can be had
        raise


def pull(model: str, progress: Progress | None = None) -> Path:
    """Downloads what is missing of a hub model "owner/name[@revision]", or what its newest revision changed,
    and returns its folder. A connection that breaks is taken up where it broke; a later call starts with
    the files that are not complete yet. See `resolve` for progress and errors."""
    import huggingface_hub
    from huggingface_hub import errors

    match = _HUB_ID.fullmatch(model)
    if match is None:
        raise CheckpointError(
            f"{model}: not an id on the hub, which looks like owner/name or owner/name@revision"
        )
    name, revision = match[1], match[2]
    options: dict[str, Any] = {"tqdm_class": _reporting(progress)} if progress is not None else {}
    try:
        _check_space(name, revision)
        folder = Path(
            huggingface_hub.snapshot_download(
                name, revision=revision, allow_patterns=PATTERNS, ignore_patterns=IGNORED, **options
            )
        )
    except CheckpointError:
        raise
    except errors.GatedRepoError:
        raise CheckpointError(
            f"{name}: the authors ask you to accept their terms first: open "
            f"https://huggingface.co/{name}, accept, "
            "then log in with `hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CheckpointError(
            f"{name}: neither a folder nor a model on the hub (if it is private, log in with `hf auth login`)"
        ) from None
    except errors.RevisionNotFoundError:
        raise CheckpointError(f"{name}: the hub has no revision {revision}") from None
    except Exception as error:  # of whichever HTTP library the hub's client is built on
        _fail(name, error)
    missing = _missing(folder)
    if missing:
        raise CheckpointError(f"{name}: not a complete safetensors checkpoint: {missing}")
    return folder


def _cached(name: str, revision: str | None) -> Path | None:
    """The snapshot in the hub's cache, complete or not; None when there is none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _missing(folder: Path) -> str:
    """What a snapshot lacks, in words; "" when its weights are all there."""
    if not (folder / "config.json").exists():
        return "config.json is missing"
    try:
        if (folder / INDEX_NAME).exists():
            wanted = sorted(set(read_json(folder / INDEX_NAME)["weight_map"].values()))
        else:
            wanted = shard_names(sorted(path.name for path in folder.glob("*.safetensors")))
        absent = [name for name in wanted if not (folder / name).exists()]
    except (CheckpointError, KeyError, AttributeError, TypeError):
        return f"{INDEX_NAME} is damaged"
    if absent:
        return f"{absent[0]} is missing" + (f", and {len(absent) - 1} more files" if len(absent) > 1 else "")
    return "" if wanted else "no safetensors files"


def _check_space(name: str, revision: str | None) -> None:
    """CheckpointError when the cache's disk cannot hold what is still to be fetched. Errors of the hub pass
    through."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True)
    except OSError as error:
        if getattr(error, "response", None) is not None:
            raise
        return  # no network: the download itself says so, or finds everything in the cache
    except Exception:
        return
    need = 0
    for file in info.siblings or ():
        wanted = any(fnmatch.fnmatch(file.rfilename, pattern) for pattern in PATTERNS)
        ignored = any(fnmatch.fnmatch(file.rfilename, pattern) for pattern in IGNORED)
        if (
            wanted
            and not ignored
            and not isinstance(try_to_load_from_cache(name, file.rfilename, revision=info.sha), str)
        ):
            need += file.size or 0
    cache = Path(constants.HF_HUB_CACHE)
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if need > free:
        raise CheckpointError(
            f"{name}: {format_size(need)} are still to be fetched, but {cache} has only {format_size(free)} free; make "
            "room, or set HF_HOME to a folder on a larger disk"
        )


def _fail(name: str, error: Exception) -> NoReturn:
    """Raises the CheckpointError that says what a failed download means."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT) for link in chain):
        raise CheckpointError(
            f"{name}: the disk is full; files that are complete are kept, so make room (or set HF_HOME to a "
            "folder on a larger "
            "disk) and start again"
        ) from None
    status = next(
        (r.status_code for link in chain if (r := getattr(link, "response", None)) is not None), None
    )
    if status is not None:
        raise CheckpointError(f"{name}: the hub answered with status {status}; try again later") from None
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        raise CheckpointError(f"{name}: not in the cache, and HF_HUB_OFFLINE forbids downloads") from None
    first = str(error).split("\n", 1)[0][:200] or type(error).__name__
    raise CheckpointError(
        f"{name}: not a folder, not complete in the cache, and the hub cannot be reached ({first}); "
        "check the network "
        "and start again: files that are complete are kept"
    ) from None


def _reporting(progress: Progress) -> type:
    """A progress bar class for the hub's client that calls `progress` and draws nothing."""
    tqdm: Any = importlib.import_module("tqdm.auto").tqdm  # has no type stubs of its own

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": False, "file": _Nowhere(), "leave": False})

        def display(self, *args: Any, **options: Any) -> None:
            pass

        def update(self, n: float | None = 1) -> bool | None:
            result: bool | None = super().update(n)
            if self.unit == "B":
                progress(int(self.n), int(self.total or 0), self.desc or "")
            return result

    return Reporting


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

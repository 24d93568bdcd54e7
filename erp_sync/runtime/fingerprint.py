"""Fingerprint of the code that a run would execute: a fork server with another one is out of date."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

_SUFFIXES = (".py", ".yaml", ".yml", ".csv")
_PREFIX = "ERP_SYNC_"


def fingerprint(module: str, environment: Sequence[str] = ()) -> str:
    """Hash over what decides how runs of code location `module` behave.

    Covers names, sizes and modification times of the source and data files of the module's top package and
    of the folder ``ERP_SYNC_DEFS``, the versions of Python and Dagster, variables that start with
    ``ERP_SYNC_`` and those named in `environment`. Contents are not read: it costs milliseconds.
    """
    digest = hashlib.sha256(f"{sys.version} dagster {metadata.version('dagster')} {module}\n".encode())
    folders = [_package_folder(module)]
    if own := os.environ.get("ERP_SYNC_DEFS"):
        folders.append(Path(own).expanduser().absolute())
    for folder in folders:
        for path, size, modified in sorted(_files(folder)):
            digest.update(f"{path} {size} {modified}\n".encode())
    for name in sorted({n for n in os.environ if n.startswith(_PREFIX)} | set(environment)):
        digest.update(f"{name}={os.environ.get(name)}\n".encode())
    return digest.hexdigest()[:16]


def _package_folder(module: str) -> Path:
    spec = find_spec(module.partition(".")[0])
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        raise ModuleNotFoundError(f"code location module {module!r} cannot be found", name=module)
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(str(spec.origin)).parent


def _files(folder: Path) -> list[tuple[str, int, int]]:
    found = []
    pending = [str(folder)]
    while pending:
        # Files come and go while new code is put in place: what has gone counts as not there.
        with suppress(FileNotFoundError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__" and not entry.name.startswith("."):
                        pending.append(entry.path)
                elif entry.name.endswith(_SUFFIXES):
                    with suppress(FileNotFoundError):
                        status = entry.stat()
                        found.append((entry.path, status.st_size, status.st_mtime_ns))
    return found

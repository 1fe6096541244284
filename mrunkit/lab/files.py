"""Failures to write or remove files of labs, in words, as on a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mrunkit.lab.request import LabError


@contextlib.contextmanager
def explained_files(doing: str, path: Path, *, variable: str) -> Iterator[None]:
    """Turn OSError into LabError, with the file, the reason and the variable that moves it.

    Where the system names no file, it was this one.
    """
    try:
        yield
    except OSError as error:
        raise LabError(
            f"cannot {doing} {error.filename or path}: {error.strerror}",
            remedy=f"make room, or set {variable} to a directory that this account may write to",
        ) from error


def explained_state(doing: str, path: Path) -> contextlib.AbstractContextManager[None]:
    """The same for files in a lab's own directory."""
    return explained_files(doing, path, variable="MRUNKIT_STATE_DIR")


def explained_cache(path: Path) -> contextlib.AbstractContextManager[None]:
    """The same for what is made in the cache."""
    return explained_files("write", path, variable="MRUNKIT_CACHE")

"""Write a file so that it is there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braze_provider._compat import ObjectStoragePath


@contextmanager
def whole_file(path: ObjectStoragePath, *, private: bool = True) -> Iterator[IO[bytes]]:
    """
    Open a file for writing. It appears under its name only once all of it is written.

    Until then it has a hidden name beside it that ends in ``.part``.

    :param path: Where the file is to be. A file that is there is replaced.
    :param private: Whether only the task's user may read a local file, because it holds users' data. Default
        True.
    """
    part = path.parent / f".{path.name}.part"
    try:
        with _opened(part, 0o600 if private else 0o666) as file:
            yield file
        _put_in_place(part, path)
    except BaseException:
        with suppress(Exception):
            part.unlink()
        raise


def _is_local(path: ObjectStoragePath) -> bool:
    return path.protocol in ("", "file")


def _opened(part: ObjectStoragePath, mode: int) -> Any:
    if not _is_local(part):
        return part.open("wb")
    local = Path(part.path)
    local.parent.mkdir(parents=True, exist_ok=True)
    local.unlink(missing_ok=True)  # A killed try has left it, or another user has made it to read it.
    return os.fdopen(os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")


def _put_in_place(part: ObjectStoragePath, path: ObjectStoragePath) -> None:
    if _is_local(part):
        Path(part.path).replace(path.path)
    else:
        part.move(path)

"""The data folder: locked by whoever serves from it, with small files for people and scripts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class InUse(Exception):
    """Somebody serves from this folder."""


def lock(home: Path) -> IO[str]:
    """Claims the folder until the returned file is closed or the process ends, however it ends. Raises InUse."""
    home.mkdir(parents=True, exist_ok=True)
    file = open(home / "serve.lock", "a")  # noqa: SIM115 - closing it is giving the lock back
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InUse(
            f"Another EggAPI serves from {home}. Stop it, or set EGGAPI_HOME to a folder of this one's own."
        ) from None
    return file


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Puts a file there whole: a reader sees the old text or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    draft.replace(path)


@contextmanager
def vanishing(path: Path) -> Iterator[None]:
    """Removes what an earlier process left of a file, and in the end what this one made of it."""
    path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def shown(path: Path) -> str:
    """The path as a person in the current folder would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

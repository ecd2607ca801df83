"""The secrets an installation makes for itself on its first start."""

import json
import os
import secrets
from pathlib import Path
from typing import TypedDict

from cryptography.fernet import Fernet


class Secrets(TypedDict):
    """Of each kind the first makes what is new, and all are good for what is there."""

    secret_keys: list[str]
    peppers: list[str]
    fernet_keys: list[str]


def read_or_make(path: Path) -> Secrets:
    """Secrets in `path` (JSON, mode 0600), made there once.

    Two processes starting together agree: the file appears whole through a hard link, which only the
    first of them can make.
    """
    if not path.exists():
        made = Secrets(
            secret_keys=[secrets.token_urlsafe(50)],
            peppers=[secrets.token_urlsafe(32)],
            fernet_keys=[Fernet.generate_key().decode()],
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    read: Secrets = json.loads(path.read_text())
    return read

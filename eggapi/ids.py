"""Identifiers that cannot be guessed."""

import re
import secrets
import string

ALPHANUMERIC = string.ascii_lowercase + string.digits
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
TASK_ID = re.compile(r"gen_[a-z0-9]{24}")
EVENT_ID = re.compile(r"msg_[a-z0-9]{24}")


def random_text(length: int, alphabet: str = ALPHANUMERIC) -> str:
    """Every text of this length is equally likely. One random number, because one per character is ten times slower."""
    base = len(alphabet)
    number = secrets.randbelow(base**length)
    characters = []
    for _ in range(length):
        number, digit = divmod(number, base)
        characters.append(alphabet[digit])
    return "".join(characters)


def task_id() -> str:
    """gen_ and 24 of [a-z0-9]: 124 bits."""
    return f"gen_{random_text(24)}"


def event_id() -> str:
    """msg_ and 24 of [a-z0-9]; never holds the dot that separates the parts of a signed webhook."""
    return f"msg_{random_text(24)}"


def path_token() -> str:
    """The part of a file's address that nobody can guess: 25 of [a-z0-9], 129 bits."""
    return random_text(25)

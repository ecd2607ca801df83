"""The log, as it would be written."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eggapi.requestlog import JSONFormatter


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JSONFormatter())
        self.stream = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record) + "\n")

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == "eggapi.request"]


@contextmanager
def written() -> Iterator[Lines]:
    """Everything that is logged meanwhile, of every level."""
    lines, root, ours = Lines(), logging.getLogger(), logging.getLogger("eggapi")
    root.addHandler(lines)
    ours.setLevel(logging.DEBUG)
    yield lines
    ours.setLevel(logging.NOTSET)
    root.removeHandler(lines)

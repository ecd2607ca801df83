from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.installation import Installation


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    """Makes installations, by name, and kills what still runs of them in the end."""
    made: list[Installation] = []

    def install(name: str = "home", **environment: str) -> Installation:
        made.append(Installation(tmp_path / name, **environment))
        return made[-1]

    yield install
    for installation in made:
        if installation.process:
            installation.kill()


@pytest.fixture
def egg(install: Callable[..., Installation]) -> Installation:
    """One installation, not started yet."""
    return install()

import shutil
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


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with all its tables, and nothing in them."""
    home = tmp_path_factory.mktemp("empty") / "home"
    assert Installation(home).manage("migrate").returncode == 0
    return home


@pytest.fixture
def egg(install: Callable[..., Installation], empty_home: Path) -> Installation:
    """One installation on SQLite, migrated but not started yet."""
    egg = install()
    shutil.copytree(empty_home, egg.home)
    return egg


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that runs, for whoever only asks it something."""
    served = Installation(tmp_path_factory.mktemp("served") / "home").start()
    yield served
    assert served.stop() == 0

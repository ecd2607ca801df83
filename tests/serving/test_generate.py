"""`manage.py generate`: the shortest way from a prompt to a picture."""

import io
import re
import webbrowser
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django import Settings

from tests.servers import free_port
from tests.serving.installation import Installation

pytestmark = pytest.mark.once


def generate(served: Installation, *arguments: str) -> list[str]:
    """What was printed, line by line, by a command of this process that is told where to go."""
    out = io.StringIO()
    call_command("generate", "--url", served.url, "--key", served.key, *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_it_works(served: Installation, tmp_path: Path) -> None:
    path = tmp_path / "mug.png"
    done = served.manage("generate", "A matte green travel mug", "--wait", "--out", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    task_id, *statuses, saved = done.stdout.splitlines()
    assert re.fullmatch("gen_[a-z0-9]{24}", task_id)
    assert statuses in (["pending", "processing", "completed"], ["pending", "completed"])
    assert saved == f"{path}   $0.0100"
    with Image.open(path) as picture:
        assert picture.format == "PNG"


def test_it_does_not_wait_unless_asked_to(served: Installation) -> None:
    (task_id,) = generate(served, "An egg", "--model", "nanobanana-pro")
    status, task = served.call("GET", f"/v1/tasks/{task_id}")
    assert (status, task["model"]) == (200, "nanobanana-pro")


def test_it_shows_the_picture(served: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    monkeypatch.chdir(tmp_path)
    task_id, *_, saved = generate(served, "An egg", "--open")
    assert saved == f"{task_id}.png   $0.0100"
    assert shown == [(tmp_path / f"{task_id}.png").as_uri()]


def test_it_says_why_a_task_failed(served: Installation, tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    with pytest.raises(CommandError, match=r"^There is no picture: task gen_\w+ failed: Content moderation: [^.]*\.$"):
        generate(served, "An egg sandbox:moderation", "--out", str(path))
    assert not path.exists()


def test_it_says_why_it_was_refused(served: Installation) -> None:
    refused = "^There is no picture: the server refused: 400 VALIDATION_ERROR: model: must be one of nanobanana, "
    with pytest.raises(CommandError, match=refused):
        generate(served, "An egg", "--model", "dall-e")
    with pytest.raises(CommandError, match="^There is no picture: the server refused: 401 UNAUTHORIZED: [^.]*.$"):
        generate(served, "An egg", "--key", "egg_test_none")


def test_it_rejects_a_file_that_cannot_be_written(served: Installation, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"^{tmp_path} cannot be written: Is a directory.$"):
        generate(served, "An egg", "--out", str(tmp_path))


def test_it_says_that_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match=f"^There is no picture: {url} does not answer: .*Connection refused.*$"):
        call_command("generate", "An egg", "--url", url, "--key", "egg_test_none")
    with pytest.raises(CommandError, match="^There is no picture: eggs does not answer: unknown url type: "):
        call_command("generate", "An egg", "--url", "eggs", "--key", "egg_test_none")


def test_it_requires_a_running_server(tmp_path: Path, settings: Settings) -> None:
    settings.EGGAPI_HOME = tmp_path
    with pytest.raises(CommandError, match=f"^{tmp_path}/url is not there. Is `manage.py serve` running\\?$"):
        call_command("generate", "An egg")

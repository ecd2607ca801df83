"""`manage.py generate PROMPT`"""

import webbrowser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from eggapi.command import OperatorCommand
from eggapi.serving import home
from eggapi.serving.program import NoPicture, Program

LONGEST_SECONDS = 3660.0  # no task may take longer than an hour


class Command(OperatorCommand):
    help = "Makes a picture with the EggAPI that is running here, as a customer's program would."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prompt")
        parser.add_argument("--model", default="nanobanana", metavar="nanobanana")
        parser.add_argument("--wait", action="store_true", help="until it is there, and save it")
        parser.add_argument("--out", type=Path, metavar="FILE", help="where to (default: TASK_ID.png); waits")
        parser.add_argument("--open", action="store_true", help="show the picture; waits")
        parser.add_argument("--url", help="default: what serve wrote to EGGAPI_HOME/url")
        parser.add_argument("--key", help="default: the one in EGGAPI_HOME/demo.key")

    def handle(self, *args: Any, **options: Any) -> None:
        program = Program(options["url"] or _kept("url"), options["key"] or _kept("demo.key"))
        waits = options["wait"] or options["open"] or options["out"]
        try:
            task = program.submit({"model": options["model"], "prompt": options["prompt"]})
            self._say(task["id"])
            if waits:
                self._wait(program, task, options["out"] or Path(f"{task['id']}.png"), shows=options["open"])
        except NoPicture as fault:
            raise CommandError(f"There is no picture: {str(fault).removesuffix('.')}.") from fault

    def _wait(self, program: Program, task: dict[str, Any], path: Path, shows: bool) -> None:
        for now in program.follow(task, LONGEST_SECONDS):
            task = now
            self._say(task["status"])
        picture = program.picture(task)
        try:
            path.write_bytes(picture)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self._say(f"{home.shown(path)}   {task['cost']}")
        if shows:
            webbrowser.open(path.resolve().as_uri())

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _kept(name: str) -> str:
    """What `serve` put into its data folder."""
    path = settings.EGGAPI_HOME / name
    try:
        return str(path.read_text().strip())
    except OSError:
        raise CommandError(f"{home.shown(path)} is not there. Is `manage.py serve` running?") from None

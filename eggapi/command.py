"""What operators' commands have in common, so that scripts can rely on it."""

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import DatabaseError, connections


class OperatorCommand(BaseCommand):
    """Exit code 0 means done; any error, a mistyped argument too, is one sentence on stderr and exit code 1."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self._called_from_command_line = False  # else the parser prints its usage and exits with 2
        return super().create_parser(prog_name, subcommand, **kwargs)

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            options = vars(self.create_parser(argv[0], argv[1]).parse_args(argv[2:]))
            self.execute(*options.pop("args", ()), **options)
        except CommandError as error:
            self._fail(str(error))
        except DatabaseError as error:
            self._fail(f"The database cannot be used: {str(error).strip().splitlines()[0]}.")
        finally:
            connections.close_all()

    def _fail(self, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(1)


def email_address(text: str) -> str:
    """An e-mail address as it is stored. Raises CommandError."""
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError(f"{text!r} is not an e-mail address.") from None
    return email

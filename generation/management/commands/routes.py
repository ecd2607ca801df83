"""manage.py routes apply | export | enable | explain"""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import Mode
from eggapi import money
from eggapi.command import OperatorCommand
from eggapi.errors import ValidationFailed
from generation import chain, chainfile, edit, verdict
from generation.chainfile import BadChain
from generation.fields import STRATEGIES
from generation.models import Provider
from generation.verdict import Verdict


class Command(OperatorCommand):
    help = "Says where each model is bought: the providers and routes of live keys, as a file."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="apply | export | enable | explain")

        apply = verbs.add_parser("apply", help="makes the live routes of every model in a file what it says")
        apply.add_argument("file", metavar="FILE.toml")

        verbs.add_parser("export", help="prints such a file, without credentials")

        enable = verbs.add_parser("enable", help="switches a provider and its routes on, and forgets its failures")
        enable.add_argument("name", metavar="NAME", help="the provider's")

        explain = verbs.add_parser("explain", help="shows which routes a request would take, and why not the others")
        explain.add_argument("model", metavar="MODEL")
        explain.add_argument("--mode", choices=Mode.values, default=Mode.LIVE.value)
        explain.add_argument("--aspect-ratio", default="16:9")
        explain.add_argument("--resolution")
        explain.add_argument("--outputs", dest="num_outputs", type=int, default=1)
        explain.add_argument("--references", type=int, default=0, metavar="N", help="pictures to edit")
        explain.add_argument("--strategy", choices=STRATEGIES, default="auto")
        explain.add_argument("--deadline", dest="deadline_seconds", type=int, metavar="SECONDS")

    def handle(self, *args: Any, verb: str, **options: Any) -> str:
        verbs = {"apply": apply, "export": export, "enable": enable, "explain": explain}
        return verbs[verb](options)


def apply(options: dict[str, Any]) -> str:
    try:
        difference = chain.apply(chainfile.read(_text_of(options["file"])))
    except BadChain as fault:
        raise CommandError(f"Nothing changed: {fault}") from None
    return "\n".join([*(difference.lines or ["Nothing changes."]), *difference.warnings])


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text.") from None


def export(options: dict[str, Any]) -> str:
    return chain.export()


def enable(options: dict[str, Any]) -> str:
    provider = Provider.objects.filter(name=options["name"]).first()
    if provider is None:
        raise CommandError(f"There is no provider {options['name']}.")
    try:
        routes, breakers = edit.enable(provider)
    except BadChain as fault:
        raise CommandError(f"Nothing changed: {fault}") from None
    return f"{provider.name} is on. Its routes: {routes}. Breakers closed: {breakers}."


def explain(options: dict[str, Any]) -> str:
    """The routes in the order they would be taken now. Nothing is written."""
    names = ("model", "aspect_ratio", "resolution", "num_outputs", "strategy", "deadline_seconds")
    body = {name: options[name] for name in names}
    try:
        verdicts = verdict.explain(Mode(options["mode"]), body, options["references"])
    except ValidationFailed as refusal:
        raise CommandError("; ".join(f"{name}: {fault}" for name, fault in refusal.fields.items())) from None
    return "\n".join(map(_line, verdicts)) or f"{options['model']} has no {options['mode']} route."


def _line(found: Verdict) -> str:
    way = found.route
    words = f"{way.provider} {way.upstream_model}, priority {way.priority}, {money.display(found.cost)} an image"
    return f"{words}: {found.words}"

"""The live providers and routes as a file that operators write and keep.

[[provider]]
name = "apixo"
adapter = "apixo"
credential_env = "APIXO_KEY"

[[route]]
model = "nanobanana"
provider = "apixo"
upstream_model = "nano-banana"
cost_usd = "0.03"
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from eggapi import money
from eggapi.fields import Fault, choice, integer, text
from generation.fields import RESOLUTIONS
from generation.models import Task
from generation.providers import ADAPTERS

LARGEST_INTEGER = 2**31 - 1
LARGEST_BALANCE = 10**10
HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
VARIABLE = re.compile("[A-Z][A-Z0-9_]*")
# What a route can be narrowed to: fields of a task, and what they can be.
CONDITIONS = {
    "resolution": "|".join(RESOLUTIONS),
    "aspect_ratio": "auto|[1-9][0-9]{0,2}:[1-9][0-9]{0,2}",
    "type": "|".join(Task.Type.values),
    "output_format": "png|jpeg|webp",
}
SECRETS = ("credential", "callback_secret")

Read = Callable[[Any], Any]


class BadChain(ValueError):
    """What is wrong with a chain: a sentence that names the entry."""


@dataclass(frozen=True, slots=True)
class PlannedProvider:
    """`fields` are columns of the row. A secret that `secrets` lacks stays as it is."""

    name: str
    fields: dict[str, Any]
    secrets: dict[str, str]


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """`fields` are columns of the row; without a `label` it keeps its own or gets the next free one."""

    model: str
    provider: str
    upstream_model: str
    label: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.model} via {self.provider} {self.upstream_model}"


@dataclass(frozen=True, slots=True)
class Chain:
    providers: list[PlannedProvider]
    routes: list[PlannedRoute]


# -- what a value may be ---------------------------------------------------------------------------


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Fault("must be true or false")
    return value


def _line(value: Any, most: int) -> str:
    line = text(value, least=1, most=most)
    if not line.isprintable():
        raise Fault("must be one line of printable characters")
    return line


def _dollars(value: Any) -> int:
    """Micro-dollars in a text."""
    if not isinstance(value, str):
        raise Fault('must be a text such as "0.03"')
    try:
        amount = money.parse(value)
    except ValueError as error:
        raise Fault(f"is wrong: {error}") from None
    if amount < 0:
        raise Fault("must not be negative")
    return amount


def _balance(value: Any) -> Decimal:
    is_number = type(value) in (int, Decimal) and Decimal(value).is_finite()
    if not is_number or not 0 <= value < LARGEST_BALANCE or round(Decimal(value), 2) != value:
        raise Fault(f"must be a number below {LARGEST_BALANCE} with at most two decimals")
    return Decimal(value)


def _base_url(value: Any) -> str:
    """No user, query or fragment: it is printed, and paths are put behind it."""
    url = _line(value, 200)
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or re.search(r"[@?#\s\\]", url):
        raise Fault('must be an address such as "https://api.example.com/v1"')
    return url


def _hosts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(host, str) and _is_host(host) for host in value):
        raise Fault('must list hosts, each such as "cdn.example.com" or "10.0.0.7:9000"')
    return value


def _is_host(host: str) -> bool:
    try:
        return HOST.fullmatch(host) is not None and urlsplit(f"https://{host}").port != 0
    except ValueError:  # an address or a port that there cannot be
        return False


def _variable(value: Any) -> str:
    """What an environment variable holds. Its name is shown, so it must not be a key given here by mistake."""
    name = text(value)
    if not VARIABLE.fullmatch(name):
        raise Fault("must be the name of an environment variable, such as KIE_KEY")
    if not (found := os.environ.get(name, "").strip()):
        raise Fault(f"names {name}, which is not set")
    return found


def _conditions(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise Fault('must be a table such as { resolution = ["4k"] }')
    for name, allowed in value.items():
        if name not in CONDITIONS:
            raise Fault(f"knows {', '.join(CONDITIONS)}, but not {name}")
        if not isinstance(allowed, list) or not allowed:
            raise Fault(f"must list what {name} may be")
        for each in allowed:
            if not isinstance(each, str) or not re.fullmatch(CONDITIONS[name], each):
                raise Fault(f"has {each!r}, which {name} never is")
    return value


PROVIDER: dict[str, Read] = {
    "name": lambda value: _line(value, 64),
    "adapter": lambda value: choice(value, tuple(sorted(ADAPTERS.keys() - {"sandbox"}))),
    "base_url": _base_url,
    "credential": lambda value: text(value, least=1),
    "credential_env": _variable,
    "callback_secret": lambda value: text(value, least=1),
    "callback_secret_env": _variable,
    "concurrency": lambda value: integer(value, 1, LARGEST_INTEGER),
    "result_hosts": _hosts,
    "low_balance": _balance,
}
ROUTE: dict[str, Read] = {
    "model": lambda value: _line(value, 64),
    "provider": lambda value: _line(value, 64),
    "upstream_model": lambda value: _line(value, 128),
    "priority": lambda value: integer(value, -LARGEST_INTEGER, LARGEST_INTEGER),
    "weight": lambda value: integer(value, 0, LARGEST_INTEGER),
    "cost_usd": _dollars,
    "cost_4k_usd": _dollars,
    "cost_per_reference_usd": _dollars,
    "official": _boolean,
    "require_margin": _boolean,
    "when": _conditions,
    "label": lambda value: _line(value, 40),
}


# -- reading and writing ---------------------------------------------------------------------------


def read(document: str) -> Chain:
    """The chain in a TOML text, well-formed, before anything is known of the rows there are. Raises BadChain."""
    try:
        tables = tomllib.loads(document, parse_float=Decimal)
    except ValueError as error:
        raise BadChain(f"This is not TOML: {error}.") from None
    for name, entries in tables.items():
        if name not in ("provider", "route"):
            raise BadChain(f"There is no {name} in a chain, only [[provider]] and [[route]].")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise BadChain(f"Write [[{name}]] above each {name}.")
    providers = [read_provider(entry, number) for number, entry in enumerate(tables.get("provider", []), 1)]
    routes = [read_route(entry, number) for number, entry in enumerate(tables.get("route", []), 1)]
    names = [provider.name for provider in providers]
    _refuse_twins(names, "There are two providers of the name {}.")
    _refuse_twins([str(route) for route in routes], "There are two routes for {}.")
    for route in routes:
        if route.provider not in names:
            raise BadChain(f"The route for {route} has no [[provider]] of that name in this file.")
    return Chain(providers, routes)


def read_provider(entry: Mapping[str, Any], number: int) -> PlannedProvider:
    title = _title("provider", number, entry.get("name"))
    values = _values(entry, PROVIDER, ("name", "adapter"), title)
    for secret in SECRETS:
        if secret in values and f"{secret}_env" in values:
            raise BadChain(f"{title}: give {secret} or {secret}_env, not both.")
    secrets = {secret: values.get(secret) or values.get(f"{secret}_env") for secret in SECRETS}
    defaults: dict[str, Any] = {"base_url": "", "concurrency": None, "result_hosts": [], "low_balance": None}
    return PlannedProvider(
        values["name"],
        {"adapter": values["adapter"], **{name: values.get(name, default) for name, default in defaults.items()}},
        {name: secret for name, secret in secrets.items() if secret},
    )


def read_route(entry: Mapping[str, Any], number: int) -> PlannedRoute:
    title = _title("route", number, entry.get("model"), entry.get("provider"))
    values = _values(entry, ROUTE, ("model", "provider", "upstream_model", "cost_usd"), title)
    return PlannedRoute(
        values["model"],
        values["provider"],
        values["upstream_model"],
        values.get("label", ""),
        {
            "priority": values.get("priority", 10),
            "weight": values.get("weight", 1),
            "cost": values["cost_usd"],
            "cost_4k": values.get("cost_4k_usd"),
            "cost_per_reference": values.get("cost_per_reference_usd", 0),
            "official": values.get("official", False),
            "require_margin": values.get("require_margin", False),
            "conditions": values.get("when", {}),
        },
    )


def _title(kind: str, number: int, *names: Any) -> str:
    """What an entry is called in a sentence, whatever is wrong with it."""
    known = " via ".join(name for name in names if isinstance(name, str) and name.isprintable())
    return f"[[{kind}]] {number} ({known})" if known else f"[[{kind}]] {number}"


def _values(entry: Mapping[str, Any], readers: dict[str, Read], required: Iterable[str], title: str) -> dict[str, Any]:
    if unknown := sorted(entry.keys() - readers.keys()):
        raise BadChain(f"{title} has no {unknown[0]}; it can have {', '.join(readers)}.")
    for name in required:
        if name not in entry:
            raise BadChain(f"{title}: {name} is missing.")
    values = {}
    for name, value in entry.items():
        try:
            values[name] = readers[name](value)
        except Fault as fault:
            raise BadChain(f"{title}: {name} {fault}.") from None
    return values


def _refuse_twins(names: list[str], sentence: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BadChain(sentence.format(name))


def table(name: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {toml(value)}\n" for key, value in values.items() if value is not None]
    return "".join([f"[[{name}]]\n", *lines])


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(each)}' for key, each in value.items())} }}"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)

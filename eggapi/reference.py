"""The API reference as Markdown, made from the OpenAPI description, so that it cannot lag behind."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from eggapi import openapi

WHO = {"key": "an API key", "session": "a session of the dashboard"}
Schema = dict[str, Any]


@cache
def text() -> str:
    described = openapi.document()
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, item in described["paths"].items()
        for method, operation in item.items()
    ]
    lines = [
        "# API reference",
        "Every address under `/v1`, as the [OpenAPI description](/openapi.json) has it: see there for what is nested.",
    ]
    for tag in described["tags"]:
        lines.append(f"## {tag['name']}")
        for name, operation in operations:
            if operation["tags"] == [tag["name"]]:
                lines += _operation(name, operation)
    return "\n\n".join(lines) + "\n"


def _operation(name: str, operation: Schema) -> Iterator[str]:
    yield f"### {name}"
    who = " or ".join(WHO[kind] for each in operation.get("security", []) for kind in each)
    yield f"{operation['summary']}. {operation['description']} Needs {who or 'nothing'}."
    if asked := [each for each in operation.get("parameters", []) if each["in"] != "path"]:
        yield _table("parameter", [(each["name"], each["schema"], each.get("description", "")) for each in asked])
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        schema = _resolved(content["schema"])
        yield _table(
            "field", [(field, each, _told(field, each, schema)) for field, each in schema["properties"].items()]
        )
        yield _example(content)
    for status, response in operation["responses"].items():
        if status < "300":
            yield f"**{status}** {response['description']}"
            yield from (_example(content) for content in response.get("content", {}).values())
    yield f"Errors: {', '.join(_codes(operation))}."


def _codes(operation: Schema) -> Iterator[str]:
    for status, response in operation["responses"].items():
        if status >= "400":
            for code in response["description"].split(" or "):
                yield f"[{code}](errors.md#{code.lower()})"


def _table(of: str, rows: list[tuple[str, Schema, str]]) -> str:
    lines = [f"| {of} | is | |", "|---|---|---|"]
    lines += [f"| `{name}` | {_cell(_kind(schema))} | {_cell(told)} |" for name, schema, told in rows]
    return "\n".join(lines)


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")


def _told(field: str, schema: Schema, body: Schema) -> str:
    told = "Required." if field in body.get("required", []) else ""
    return " ".join(filter(None, [told, _resolved(schema).get("description", "")]))


def _kind(schema: Schema) -> str:
    """In a few words: "one of 1k, 2k", "list of string", "integer or null"."""
    schema = _resolved(schema)
    if parts := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(dict.fromkeys(map(_kind, parts)))
    if "enum" in schema:
        return f"one of {', '.join(str(value) for value in schema['enum'] if value is not None)}"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    kinds = schema.get("type", "anything")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _resolved(schema: Schema) -> Schema:
    """Itself, or what it refers to; that it may be null as well goes without saying."""
    parts = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(parts) == 1:
        schema = {**schema, **parts[0], "anyOf": ()}
    if "allOf" in schema:
        schema = {**schema, **schema["allOf"][0]}
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return {**openapi.document()["components"]["schemas"][name], **schema} if name else schema


def _example(content: Schema) -> str:
    value = next(iter(content["examples"].values()))["value"]
    shown = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return f"```json\n{shown.strip()}\n```"

"""The first page of operators: what is wrong, and how the last hour went."""

from typing import Any

from django.http import HttpRequest


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    return context

"""/v1 for events: with an API key only."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import V1View
from accounts.models import ApiKey
from eggapi import pagination
from eggapi.errors import ValidationFailed
from webhooks import openapi
from webhooks.models import Event
from webhooks.serializers import event_body


class EventFeed(V1View):
    """GET /v1/events: what happened to the tasks of the account and mode, in the order it was committed.

    `after` is the id of the last event known (none: from the first), `limit` how many come at most. Answers
    {"items", "has_more"}. Errors: 400 VALIDATION_ERROR.
    """

    scope = ApiKey.Scope.TASKS_READ

    @openapi.event_feed
    def get(self, request: Request) -> Response:
        own = {"account_id": self.caller.account_id, "mode": self.caller.mode}
        limit = pagination.at_most(request.query_params, "limit", openapi.MOST_EVENTS, openapi.EVENTS)
        later = Event.objects.filter(**own, seq__gt=_place(request.query_params, own)).order_by("seq")
        found = list(later[: limit + 1])
        items = [event_body(event) for event in found[:limit]]
        return Response({"items": items, "has_more": len(found) > limit})


def _place(query: Mapping[str, str], own: dict[str, Any]) -> int:
    """The place of the event `after`; 0 where none is given, before all of them. Raises ValidationFailed."""
    after = query.get("after")
    if not after:
        return 0
    known = Event.objects.filter(**own, id=after, seq__isnull=False) if "\0" not in after else Event.objects.none()
    place: int | None = known.values_list("seq", flat=True).first()
    if place is None:
        raise ValidationFailed({"after": "must be the id of an event of this account and mode"})
    return place

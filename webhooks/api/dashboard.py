"""/v1/webhooks: what somebody signed in to the dashboard sees of webhooks and can do about them. No key gets in."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import NO_STORE, SessionView
from accounts.caller import Caller
from eggapi import fields, ids, pagination
from eggapi.addresses import BadUrl, check_url
from eggapi.errors import NotFound, ValidationFailed
from eggapi.fields import Fault, choice, text
from eggapi.ratelimit import Limit
from webhooks import dashboard_openapi as openapi
from webhooks import origins, resend, secrets, selection
from webhooks.models import Delivery, Event, Origin
from webhooks.serializers import delivery_body, delivery_in_full, origin_body

TESTS = Limit(20, 60, name="webhook-test")


class WebhookView(SessionView):
    needs = "webhooks"

    @property
    def deliveries(self) -> QuerySet[Delivery]:
        """The account's own in the chosen mode."""
        own: QuerySet[Delivery] = Delivery.objects.filter(account=self.caller.account_id, mode=self.caller.mode)
        return own.select_related("event")

    def delivery(self, event_id: str) -> Delivery:
        """Raises NotFound, for anybody else's too."""
        looks_right = ids.EVENT_ID.fullmatch(event_id)  # a database would choke on NUL
        found = self.deliveries.filter(event=event_id).first() if looks_right else None
        if found is None:
            raise NotFound("There is no such delivery.")
        return found


class DeliveryList(WebhookView):
    """GET /v1/webhooks/deliveries: newest first, as {"items", "pagination"}.

    `page`, `per_page`; filters `state`, `type`, `host`, `task_id`, `created_after`, `created_before`.
    """

    @openapi.delivery_list
    def get(self, request: Request) -> Response:
        page, period = pagination.read(request.query_params), pagination.period(request.query_params)
        own = self.deliveries.filter(*_conditions(request.query_params, self.caller), **period)
        found = own.defer("event__payload").order_by("-created_at", "-pk")[page.slice]
        return Response(page.body([delivery_body(delivery) for delivery in found], pagination.count(own)))


class DeliveryDetail(WebhookView):
    """GET /v1/webhooks/deliveries/{id}: with the payload and every attempt."""

    @openapi.delivery_detail
    def get(self, request: Request, event_id: str) -> Response:
        return Response(delivery_in_full(self.delivery(event_id)))


class Resend(WebhookView):
    """POST /v1/webhooks/deliveries/{id}/resend: answers 202 with the delivery, which is then due."""

    @openapi.resend
    def post(self, request: Request, event_id: str) -> Response:
        delivery = self.delivery(event_id)
        if delivery.event.emptied_at:
            raise NotFound("What this delivery carried is not kept any more.")
        resend.resend(delivery)
        return Response(delivery_body(self.delivery(event_id)), status=202)


class Recover(WebhookView):
    """POST /v1/webhooks/recover {"since"}: answers 202 with how many are sent again."""

    @openapi.recover
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        since = fields.read(body, {"since": _moment}, required=["since"])["since"]
        return Response({"queued": resend.recover(self.caller.account_id, self.caller.mode, since)}, status=202)


class Replay(WebhookView):
    """POST /v1/webhooks/replay: answers 202 with how many are sent again."""

    @openapi.replay
    def post(self, request: Request) -> Response:
        return Response({"queued": resend.replay(self.caller.account_id, self.caller.mode)}, status=202)


class SendTest(WebhookView):
    """POST /v1/webhooks/test {"url"}: answers 202 with the delivery of a test event."""

    limit = TESTS

    @openapi.send_test
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        url = fields.read(body, {"url": _address}, required=["url"])["url"]
        return Response(delivery_body(resend.send_test(self.caller.account_id, self.caller.mode, url)), status=202)


class RotateSecret(WebhookView):
    """POST /v1/webhooks/secret/rotate {"overlap"}: answers 201 with the new secret, this once."""

    @openapi.rotate_secret
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        read = fields.read(body, {"overlap": lambda value: choice(value, secrets.OVERLAPS)})
        overlap = read.get("overlap", secrets.OVERLAP)
        secret = secrets.rotate(self.account, overlap, self.person)
        return Response({"secret": secret, "overlap": overlap}, status=201, headers=NO_STORE)


class OriginList(WebhookView):
    """GET, POST /v1/webhooks/origins: those that only fail, as {"items", "pagination"}; enables a disabled one."""

    @openapi.origin_list
    def get(self, request: Request) -> Response:
        page = pagination.read(request.query_params)
        own = Origin.objects.filter(account=self.caller.account_id)
        return Response(page.body([origin_body(one) for one in own.order_by("host")[page.slice]], own.count()))

    @openapi.origin_enable
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        host = fields.read(body, {"host": text}, required=["host"])["host"]
        if not origins.enable(self.account, host, self.person):
            raise NotFound("No receiver of that host is disabled.")
        return Response({"host": host, "enabled": True})


def _conditions(query: Mapping[str, str], caller: Caller) -> list[Q]:
    """What of the deliveries is asked for. Raises ValidationFailed."""
    of_type: Callable[[str], Q] = partial(selection.of_type, caller.account_id, caller.mode)
    conditions = []
    for name, choices, chosen in [("state", Delivery.State, selection.of_state), ("type", Event.Type, of_type)]:
        if value := query.get(name):
            if value not in choices.values:
                raise ValidationFailed({name: f"must be one of {', '.join(choices.values)}"})
            conditions.append(chosen(value))
    for name, fitting in [("host", selection.of_host), ("task_id", selection.of_task)]:
        if value := query.get(name):
            if "\0" in value:
                raise ValidationFailed({name: "must not contain NUL"})
            conditions.append(fitting(value))
    return conditions


def _moment(value: Any) -> datetime:
    try:
        moment = parse_datetime(text(value))
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    except Fault:
        raise
    except (ValueError, OverflowError):
        pass
    raise Fault("must be a time with zone such as 2026-05-08T10:30:00Z")


def _address(value: Any) -> str:
    url = text(value)
    try:
        check_url(url)
    except BadUrl as error:
        raise Fault(str(error)) from error
    return url

"""Operators hear of a cause once an hour and once more when it has ended, by mail and by POST."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from eggapi import alerts
from eggapi.alerts import Raised
from eggapi.celery import app
from eggapi.models import Alert
from tests.customer import at_once
from tests.webhooks.receiver import Receiver, Say

pytestmark = pytest.mark.django_db

DOWN = Raised("breaker kie nano-banana", "kie is not used for nano-banana: 401")
LOW = Raised("low balance fal", "fal has $3.00 left")


@pytest.fixture(autouse=True)
def operator(settings: Settings) -> None:
    settings.EGGAPI_OPS_EMAIL = "ops@example.com"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver() as receiver:
        settings.EGGAPI_OPS_WEBHOOK = receiver.url
        yield receiver


def told() -> list[str]:
    """The subjects of the mails that were sent since the last question."""
    alerts.tell()
    subjects = [str(message.subject).removeprefix("[EggAPI] ") for message in mail.outbox]
    mail.outbox.clear()
    return subjects


def pass_time(**by: float) -> None:
    """As if everything had happened so much earlier."""
    ago = timedelta(**by)
    moments = ("raised_at", "last_at", "told_at", "ended_at", "mail_due_at", "post_due_at")
    Alert.objects.update(**{moment: F(moment) - ago for moment in moments})


def test_it_works(receiver: Receiver) -> None:
    alerts.report([DOWN, LOW, DOWN])
    assert told() == [f"raised: {DOWN.cause}", f"raised: {LOW.cause}"]
    row = Alert.objects.get(cause=DOWN.cause)
    assert (row.text, row.count, row.state, row.mail_due_at, row.post_due_at) == (DOWN.text, 2, "raised", None, None)
    alerts.end([DOWN.cause])
    assert told() == [f"ended: {DOWN.cause}"]
    bodies = [json.loads(request.body) for request in receiver.received]
    assert [(body["cause"], body["count"], body["state"]) for body in bodies] == [
        (DOWN.cause, 2, "raised"),
        (LOW.cause, 1, "raised"),
        (DOWN.cause, 2, "ended"),
    ]
    assert list(bodies[0]) == ["cause", "text", "count", "state", "at"]


def test_a_mail_says_what_and_where() -> None:
    alerts.report([DOWN])
    alerts.tell()
    (message,) = mail.outbox
    assert message.to == ["ops@example.com"]
    assert message.body.startswith(f"{DOWN.text}\n\n1 times since ")
    assert message.body.endswith("/admin/eggapi/alert/\n")


def test_it_tells_once_an_hour_while_the_cause_comes() -> None:
    for _ in range(3):
        alerts.report([DOWN])
    assert told() == [f"raised: {DOWN.cause}"]
    pass_time(minutes=59)
    alerts.report([DOWN])
    assert told() == []
    pass_time(minutes=1)
    assert told() == []
    alerts.report([DOWN])
    assert told() == [f"raised: {DOWN.cause}"]
    assert Alert.objects.get().count == 5


def test_a_cause_that_comes_and_goes_is_told_of_once_an_hour() -> None:
    alerts.report([DOWN])
    alerts.end([DOWN.cause])
    assert told() == [f"ended: {DOWN.cause}"]
    for _ in range(3):
        alerts.report([DOWN])
        alerts.end([DOWN.cause])
    assert told() == []
    pass_time(hours=1)
    alerts.report([DOWN])
    assert told() == [f"raised: {DOWN.cause}"]


def test_what_came_again_within_the_hour_is_told_of_after_it_if_it_is_still_there() -> None:
    alerts.report([DOWN])
    alerts.end([DOWN.cause])
    told()
    pass_time(minutes=30)
    alerts.report([DOWN])
    assert (told(), Alert.objects.get().count) == ([], 1)
    pass_time(minutes=30)
    assert told() == [f"raised: {DOWN.cause}"]
    assert told() == []


def test_an_end_is_told_of_once_and_of_nothing_there_is_none() -> None:
    alerts.end([DOWN.cause])
    alerts.report([DOWN])
    told()
    alerts.end([DOWN.cause, DOWN.cause])
    alerts.end([DOWN.cause])
    assert told() == [f"ended: {DOWN.cause}"]
    assert told() == []


def test_a_backlog_is_not_read_anew_for_every_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts.report([Raised(f"backlog {n}", "waits") for n in range(30)])
    read: list[Alert] = []
    from_db = Alert.from_db

    def count(*row: Any) -> Alert:
        read.append(from_db(*row))
        return read[-1]

    monkeypatch.setattr(Alert, "from_db", count)
    assert len(told()) == 30
    assert len(read) <= 2 * 30 * alerts.CLAIMED_FROM  # for the mails, and for the POSTs


def test_an_event_that_has_not_come_for_a_day_fades() -> None:
    alerts.report([LOW, DOWN])
    told()
    pass_time(hours=23)
    alerts.report([DOWN])
    pass_time(hours=2)
    alerts.fade("low")
    alerts.fade("breaker")
    assert sorted(told()) == ["ended: low balance fal", "raised: breaker kie nano-banana"]
    alerts.fade("low")
    assert told() == []


def test_a_failed_post_is_tried_again_by_a_later_sweep_without_a_second_mail(settings: Settings) -> None:
    with Receiver(Say(503), Say(200)) as receiver:
        settings.EGGAPI_OPS_WEBHOOK = receiver.url
        alerts.report([DOWN])
        assert told() == [f"raised: {DOWN.cause}"]
        assert (told(), len(receiver.received)) == ([], 1)
        pass_time(minutes=1)
        assert (told(), len(receiver.received)) == ([], 2)
        pass_time(minutes=1)
        assert (told(), len(receiver.received)) == ([], 2)


def test_a_mail_server_that_is_away_keeps_nobody_from_being_told_otherwise(
    settings: Settings, receiver: Receiver
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    alerts.report([DOWN, LOW])
    assert told() == []
    assert len(receiver.received) == 2
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    pass_time(minutes=1)
    assert sorted(told()) == [f"raised: {DOWN.cause}", f"raised: {LOW.cause}"]


def test_a_later_end_takes_the_place_of_what_could_not_be_sent(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    alerts.report([DOWN])
    told()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    alerts.end([DOWN.cause])
    assert told() == [f"ended: {DOWN.cause}"]


def test_without_settings_there_is_the_row_alone(settings: Settings) -> None:
    settings.EGGAPI_OPS_EMAIL = settings.EGGAPI_OPS_WEBHOOK = ""
    alerts.report([DOWN])
    assert told() == []
    settings.EGGAPI_OPS_EMAIL = "ops@example.com"
    assert told() == []
    assert Alert.objects.count() == 1


def test_it_takes_any_text() -> None:
    key = "egg_live_" + "a" * 36
    alerts.report([Raised("a\n" + "c" * 300, f"\0{key} " + "x" * 3000)])
    assert told() == ["raised: a " + "c" * 198]
    assert Alert.objects.get().text == "[secret] " + "x" * 1991
    alerts.end(["a\n" + "c" * 300])
    assert Alert.objects.get().state == "ended"


def test_it_rings_after_the_commit(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> None:
    with django_capture_on_commit_callbacks() as rung:
        alerts.report([DOWN])
        alerts.report([DOWN])
        alerts.end([DOWN.cause])
        alerts.end([DOWN.cause])
    assert len(rung) == 2


def test_beat_knows_only_tasks_that_there_are() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= app.tasks.keys()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_counted_and_told_of_once() -> None:
    batches = [[DOWN, LOW], [LOW, DOWN]]
    at_once(8, lambda n: alerts.report(batches[n % 2]))
    assert list(Alert.objects.order_by("cause").values_list("count", flat=True)) == [8, 8]
    at_once(4, lambda _: alerts.tell())
    assert len(mail.outbox) == 2
    at_once(4, lambda _: alerts.end([DOWN.cause, LOW.cause]))
    alerts.tell()
    assert len(mail.outbox) == 4
    connection.close()


def test_an_operator_sees_what_is_open_first(admin_client: Client) -> None:
    alerts.report([DOWN, LOW])
    alerts.end([LOW.cause])
    pass_time(hours=2)
    alerts.report([Raised("audit_ledger", "The ledger drifts.")])
    page = admin_client.get(reverse("admin:eggapi_alert_changelist"))
    assert [alert.cause for alert in page.context["cl"].result_list] == ["audit_ledger", DOWN.cause, LOW.cause]
    assert [text for text in (DOWN.text, "raised", "ended") if text not in page.content.decode()] == []
    change = reverse("admin:eggapi_alert_change", args=[Alert.objects.get(cause=DOWN.cause).pk])
    assert DOWN.text in admin_client.get(change).content.decode()
    assert admin_client.post(change, {"text": "x"}).status_code == 403


def test_an_operator_ends_what_would_not_end_by_itself(admin_client: Client) -> None:
    alerts.report([DOWN, LOW])
    chosen = {"action": "end", "_selected_action": [Alert.objects.get(cause=DOWN.cause).pk]}
    admin_client.post(reverse("admin:eggapi_alert_changelist"), chosen)
    assert {alert.cause: alert.state for alert in Alert.objects.all()} == {DOWN.cause: "ended", LOW.cause: "raised"}


def test_it_requires_an_operator(client: Client) -> None:
    assert client.get(reverse("admin:eggapi_alert_changelist")).status_code == 302

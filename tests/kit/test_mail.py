"""A letter goes out if and only if what it tells of happened, however long the mail server is away."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.db.models import F
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from eggapi import mail
from eggapi.celery import app
from eggapi.models import Letter

pytestmark = pytest.mark.django_db

BOTH = ["alice@example.com", "bob@example.com"]


def sent() -> list[tuple[list[str], str, str]]:
    mail.send()
    found = [(each.to, str(each.subject), str(each.body)) for each in django_mail.outbox]
    django_mail.outbox.clear()
    return found


def test_it_works() -> None:
    mail.write(BOTH, "An egg", "is ready.\n")
    assert sent() == [([address], "An egg", "is ready.\n") for address in BOTH]
    assert sent() == []
    assert not Letter.objects.exists()


def test_a_worker_is_rung_after_the_commit(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(mail, "ring", rung.append)
    with django_capture_on_commit_callbacks(execute=True):
        mail.write(BOTH, "An egg", "is ready.")
        assert rung == []
    assert rung == ["eggapi.tasks.mail"]


def test_nothing_is_sent_of_what_did_not_happen() -> None:
    with transaction.atomic():
        mail.write(BOTH, "An egg", "is ready.")
        transaction.set_rollback(True)
    assert sent() == []


def test_a_refused_address_stands_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    send_messages = EmailBackend.send_messages

    def refuse_alice(self: EmailBackend, messages: list[django_mail.EmailMessage]) -> int:
        if "alice@example.com" in messages[0].to:
            raise smtplib.SMTPRecipientsRefused({})
        return int(send_messages(self, messages))

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_alice)
    mail.write(BOTH, "An egg", "is ready.")
    assert [to for to, _, _ in sent()] == [["bob@example.com"]]
    monkeypatch.undo()
    assert sent() == []
    Letter.objects.update(due_at=F("due_at") - timedelta(minutes=5))
    assert [to for to, _, _ in sent()] == [["alice@example.com"]]


def test_what_nobody_takes_is_dropped_after_a_day() -> None:
    mail.write(BOTH, "An egg", "is ready.")
    Letter.objects.filter(to="bob@example.com").update(created_at=F("created_at") - timedelta(days=1))
    assert [to for to, _, _ in sent()] == [["alice@example.com"]]
    assert not Letter.objects.exists()


def test_a_backlog_is_not_read_anew_for_every_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    mail.write([f"{n}@example.com" for n in range(30)], "An egg", "is ready.")
    read: list[Letter] = []
    from_db = Letter.from_db

    def count(*row: Any) -> Letter:
        read.append(from_db(*row))
        return read[-1]

    monkeypatch.setattr(Letter, "from_db", count)
    assert len(sent()) == 30
    assert len(read) <= 30 * mail.CLAIMED_FROM


def test_beat_sends_what_no_ring_did() -> None:
    app.loader.import_default_modules()
    mail.write(BOTH[:1], "An egg", "is ready.")
    app.tasks[str(app.conf.beat_schedule["mail"]["task"])].apply()
    assert len(django_mail.outbox) == 1


class TestWithoutAMailServer:
    @pytest.fixture(autouse=True)
    def _console(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    def test_a_letter_stays_in_the_outbox_for_a_week(self, capsys: pytest.CaptureFixture[str]) -> None:
        mail.write(BOTH[:1], "Confirm", "Follow https://egg.example/confirm/abc to go on.")
        Letter.objects.update(created_at=F("created_at") - timedelta(days=6))
        mail.send()
        assert Letter.objects.values_list("to", "due_at").get() == ("alice@example.com", None)
        Letter.objects.update(created_at=F("created_at") - timedelta(days=1))
        mail.send()
        assert not Letter.objects.exists()
        assert capsys.readouterr().out == ""

    def test_its_links_stand_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO", "eggapi.mail"):
            mail.write(BOTH[:1], "Confirm", "Follow https://egg.example/confirm/abc to go on.")
        assert [vars(record)["links"] for record in caplog.records] == [["https://egg.example/confirm/abc"]]

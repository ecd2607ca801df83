"""Operators pause new tasks, and see when nothing of the old is left."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEntry, User
from eggapi import switches
from eggapi.models import Switch
from generation import drain
from generation.drain import Left
from generation.models import Attempt, CatalogueVersion, ImageModel, Provider, Purchase, Route, Task
from tests.customer import EGG, Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def pause(boss: User, reason: str = "we move house") -> None:
    drain.pause(reason, boss)
    switches.forget()


def test_it_works(alice: Customer, boss: User) -> None:
    pause(boss)
    refused = alice.generate()
    assert refused.refusal == (503, "SERVICE_UNAVAILABLE")
    assert refused.headers["Retry-After"] == "30"
    assert refused.error["message"] == "No new tasks are accepted at the moment: we move house."
    alice.assert_nothing_happened()
    drain.resume(boss)
    switches.forget()
    assert alice.generate().status == 202


def test_replays_quotes_and_reads_are_still_answered(alice: Customer, boss: User) -> None:
    kept = alice.post(EGG, Idempotency_Key="one")
    pause(boss)
    again = alice.post(EGG, Idempotency_Key="one")
    assert (again.status, again.data["id"]) == (202, kept.data["id"])
    assert alice.post(EGG, Idempotency_Key="two").status == 503
    assert alice.generate(dry_run=True).data["cost"] == "$0.0100"
    assert alice.get(f"/v1/tasks/{kept.data['id']}").data["id"] == kept.data["id"]


def test_what_is_wrong_with_a_request_is_said_first(alice: Customer, boss: User) -> None:
    pause(boss)
    assert alice.generate(num_outputs=9).faults == ["num_outputs"]


@pytest.mark.once
def test_the_hot_path_reads_the_switch_once_a_second(alice: Customer, django_assert_num_queries: object) -> None:
    switches.forget()
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert [switches.off(drain.SUBMITS) for _ in range(50)] == [None] * 50


@pytest.mark.once
def test_the_log_says_who_and_why(boss: User) -> None:
    assert drain.pause("we move house", boss)
    assert not drain.pause("we move on", boss)
    assert (Switch.objects.get().reason, Switch.objects.get().by) == ("we move on", "boss@example.com")
    assert drain.resume(boss)
    assert not drain.resume(boss)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "target", "detail", "actor")) == [
        ("switch.pause", "submits", {"reason": "we move house"}, boss.pk),
        ("switch.pause", "submits", {"reason": "we move on"}, boss.pk),
        ("switch.resume", "submits", {}, boss.pk),
    ]


def test_it_counts_what_is_left(alice: Customer) -> None:
    assert drain.left() == Left(0, 0, 0)
    task = Task.objects.get(pk=alice.generate().data["id"])
    attempt = Attempt.objects.create(
        id=Attempt.id_of(task.id, 1), task=task, n=1, route=Route.objects.all()[0], started_at=task.created_at
    )
    for index, state in enumerate(["accepted", "done"]):
        Purchase.objects.create(
            client_ref=f"egg_{index}",
            attempt=attempt,
            index=index,
            first_image=0,
            images_asked=1,
            state=state,
            sent_at=task.created_at,
        )
    assert drain.left() == Left(1, 1, 0)
    Task.objects.update(deadline_at=F("deadline_at") - timedelta(hours=1))
    alice.post({}, Idempotency_Key="x")
    alice.send("POST", f"/v1/tasks/{task.id}/cancel")
    assert drain.left() == Left(0, 0, 0)


# -- the page --------------------------------------------------------------------------------------

PAGE = "/admin/eggapi/switch/"


def test_the_page_pauses_and_resumes(alice: Customer, office: Client) -> None:
    alice.generate()
    assert "1 unfinished task" in office.get(PAGE).content.decode()
    office.post(reverse("admin:switch_submits"), {"turn": "off", "reason": "<script>we move</script>"})
    switches.forget()
    page = office.get(PAGE).content.decode()
    assert "&lt;script&gt;we move&lt;/script&gt;" in page
    assert "<script>we move" not in page
    assert alice.generate().status == 503
    office.post(reverse("admin:switch_submits"), {"turn": "on"})
    switches.forget()
    assert alice.generate().status == 202


def test_the_page_says_when_it_is_safe_to_stop(alice: Customer, boss: User, office: Client) -> None:
    task_id = alice.generate().data["id"]
    pause(boss)
    found = re.search(r'hx-get="([^"]+)"', office.get(PAGE).content.decode())
    assert found
    assert "Safe to stop" not in office.get(reverse("admin:switch_left")).content.decode()
    assert office.get(found[1]).status_code == 204
    alice.send("POST", f"/v1/tasks/{task_id}/cancel")
    assert "Safe to stop" in office.get(found[1]).content.decode()


@pytest.mark.parametrize(("kind", "model", "name"), [("model", ImageModel, "nanobanana"), ("provider", Provider, "")])
def test_models_and_providers_are_switched_from_the_page(
    on_sale: None, boss: User, office: Client, kind: str, model: type[ImageModel | Provider], name: str
) -> None:
    row = model._default_manager.filter(**({"name": name} if name else {})).first()
    assert row
    version = CatalogueVersion.objects.get().number
    turn = reverse(f"admin:switch_{kind}", args=[row.pk])
    for position, is_on in [("off", False), ("on", True)]:
        assert office.post(turn, {"turn": position}).status_code == 302
        row.refresh_from_db()
        assert row.enabled == is_on
    assert CatalogueVersion.objects.get().number == version + 2
    actions = AuditEntry.objects.order_by("pk").values_list("action", "target", "actor")
    assert list(actions) == [(f"{kind}.disable", row.name, boss.pk), (f"{kind}.enable", row.name, boss.pk)]


def test_a_stranger_cannot_see_or_turn_anything(alice: Customer, client: Client) -> None:
    model = ImageModel.objects.get(name="nanobanana")
    turns = [reverse("admin:switch_submits"), reverse("admin:switch_model", args=[model.pk])]
    for person in (None, alice.account.members.get()):
        if person:
            client.force_login(person)
        assert [client.get(page).status_code for page in (PAGE, reverse("admin:switch_left"))] == [302, 302]
        assert [client.post(turn, {"turn": "off"}).status_code for turn in turns] == [302, 302]
    assert (Switch.objects.count(), AuditEntry.objects.count()) == (0, 0)
    assert ImageModel.objects.get(pk=model.pk).enabled


def test_staff_without_permission_may_look_and_not_turn(on_sale: None, client: Client, settings: Settings) -> None:
    staff = User.objects.create_user(email="staff@example.com", password="a long password", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_switch", "view_imagemodel"]))
    settings.EGGAPI_EMBEDDED = True
    client.force_login(staff)
    model = ImageModel.objects.get(name="nanobanana")
    assert client.get(PAGE).status_code == 200
    assert client.post(reverse("admin:switch_submits"), {"turn": "off"}).status_code == 403
    assert client.post(reverse("admin:switch_model", args=[model.pk]), {"turn": "off"}).status_code == 403
    assert not Switch.objects.exists()


def test_it_is_turned_by_post_alone(office: Client) -> None:
    assert office.get(reverse("admin:switch_submits"), {"turn": "off"}).status_code == 405
    assert not Switch.objects.exists()

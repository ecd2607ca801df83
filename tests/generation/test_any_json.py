"""Whatever a program posts to /v1, the answer is in the envelope and no fault of ours, and a refusal holds nothing."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import Hold
from eggapi import openapi
from generation.models import Task
from tests.customer import EGG, Answer, Customer
from tests.generation.past import add_task

pytestmark = pytest.mark.django_db(transaction=True)

DESCRIBED = openapi.document()
POSTS = {path: item["post"] for path, item in DESCRIBED["paths"].items() if "post" in item}
FIELDS = sorted({name for each in DESCRIBED["components"]["schemas"].values() for name in each.get("properties", ())})

TEXTS = st.text() | st.sampled_from(["nanobanana", "https://example.com/a.png", "1k", "16:9", "24h", "5.00", "\ud800"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | TEXTS, VALUES, max_size=6)
BODIES = st.binary() | (VALUES | OBJECTS).map(json.dumps).map(str.encode)

often = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
seldom = settings(often, max_examples=10)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    alice = Customer()
    alice.sign_in()
    return alice


def assert_no_fault_of_ours(alice: Customer, path: str, body: bytes, **headers: str) -> Answer:
    before = Task.objects.count(), Hold.objects.count(), alice.wallet.held
    answer = alice.send("POST", path, body, **headers)
    assert answer.status < 500
    if answer.status >= 400:
        assert answer.error["message"]
        assert (Task.objects.count(), Hold.objects.count(), alice.wallet.held) == before
    else:
        assert answer.data is not None
    return answer


@often
@given(body=BODIES)
def test_any_body_for_a_task(alice: Customer, body: bytes) -> None:
    assert_no_fault_of_ours(alice, "/v1/generate", body)


@often
@given(fields=OBJECTS)
def test_an_egg_with_anything_besides(alice: Customer, fields: dict[str, object]) -> None:
    assert_no_fault_of_ours(alice, "/v1/generate", json.dumps(EGG | fields).encode())


@pytest.mark.parametrize("path", sorted(POSTS.keys() - {"/v1/generate"}))
@seldom
@given(body=BODIES)
def test_any_body_for_anything_else(alice: Customer, path: str, body: bytes) -> None:
    named = {
        "task_id": add_task(alice, "completed").id,
        "key_id": alice.key.pk,
        "event_id": "msg_4k2m9x7q1w8e5r3t6y0u2i4o",
    }
    headers = {} if {"key": []} in POSTS[path].get("security", []) else {"Authorization": "", "X_CSRFToken": "a" * 32}
    assert_no_fault_of_ours(alice, path.format(**named), body, **headers)

"""How long the server takes for every page at 100,000 tasks in one account. `python -m bench.pages`"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django

from bench import ground

TASKS = 100_000
CALLS = 20
MOST_MS = 100.0
PUBLIC = ("/", "/models", "/status", "/docs/quickstart", "/docs/explorer", "/accounts/login/")
DESK = (
    *("/home", "/playground", "/tasks", "/tasks?page=100", "/tasks?status=failed", "/tasks?model=nanobanana-pro"),
    *("/usage", "/usage?period=90d", "/usage?group=key", "/keys", "/keys/new", "/webhooks", "/webhooks?state=failed"),
    *("/limits", "/billing", "/team", "/settings", "/settings/log"),
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="egg-pages-") as name, ground.servers(Path(name)):
        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection

        settings.EGGAPI_EMBEDDED = True  # else operators need a second factor
        settings.ALLOWED_HOSTS = ["testserver"]
        call_command("migrate", verbosity=0)
        call_command("demo", account="bench@example.com", tasks=TASKS)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM ANALYZE")
        connection.close()
        slow = measure()
    sys.exit(f"slower than {MOST_MS:.0f} ms: {', '.join(slow)}" if slow else 0)


def measure() -> list[str]:
    """Prints a line for each page; returns those whose median is too long."""
    from django.test import Client, override_settings

    from accounts.models import User

    boss = User.objects.create_superuser("boss@example.com")
    stranger, owner, operator = (Client(headers={"Accept": "text/html"}) for _ in range(3))
    owner.force_login(User.objects.get(email="bench@example.com"))
    operator.force_login(boss)
    nobody = Client()  # which keeps the middleware that it meets first
    with override_settings(ROOT_URLCONF="bench.empty", MIDDLEWARE=[]):
        yardstick = timed(lambda: nobody.get("/empty").status_code)[0]
    print(f"{'an empty Django view':60} p50 {yardstick:7.2f} ms", flush=True)
    slow = []
    for client, paths in ((stranger, PUBLIC), (owner, (*DESK, *details())), (operator, operators())):
        for path in paths:
            middle, p95 = timed(lambda client=client, path=path: client.get(path).status_code)
            print(f"{path:60} p50 {middle:7.1f} ms   p95 {p95:7.1f} ms   {middle / yardstick:8.0f} empty", flush=True)
            slow += [path] if middle > MOST_MS else []
    return slow


def details() -> list[str]:
    """A page of one thing each, of the customer."""
    from accounts.models import ApiKey
    from generation.models import Task
    from webhooks.models import Delivery

    task, delivery = (model.objects.order_by("-created_at").first() for model in (Task, Delivery))
    return [f"/tasks/{task.pk}", f"/webhooks/{delivery.event_id}", f"/keys/{ApiKey.objects.latest('pk').pk}"]


def operators() -> list[str]:
    """The admin's first page, every list, and the newest task with its story."""
    from django.contrib import admin
    from django.urls import reverse

    from generation.models import Task

    names = [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]
    task = Task.objects.order_by("-created_at").first()
    lists = [reverse(f"admin:{name}_changelist") for name in names]
    return ["/admin/", *lists, reverse("admin:generation_task_change", args=[task.pk])]


def timed(call: Callable[[], int]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds, after a first call that fills what is kept in memory."""
    assert call() == 200
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        assert call() == 200
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return took[CALLS // 2], took[int(CALLS * 0.95)]


if __name__ == "__main__":
    main()

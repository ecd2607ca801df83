"""/metrics in Prometheus' text format. Every figure is read from an index or from a handful of rows."""

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from billing.models import DailyUsage, Wallet
from generation.backlog import oldest_due_age
from generation.models import UNFINISHED, Status, Task

TASKS = Gauge("eggapi_tasks", "Tasks by status, of all accounts and both modes.", ["status"])
OLDEST_DUE = Gauge("eggapi_oldest_due_seconds", "For how long the longest waiting task has been due.")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """GET /metrics. Request counts are this process's own; the rest is the same whichever process is asked."""
    for status, number in tasks_by_status().items():
        TASKS.labels(status).set(number)
    OLDEST_DUE.set(oldest_due_age())
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def tasks_by_status() -> dict[str, int]:
    """Without counting a million rows: the unfinished ones are few, completed ones are in the daily sums,
    and all of them in the wallets' counters; failed is what remains."""
    open_tasks = Task.objects.filter(next_run_at__isnull=False)
    unfinished = dict.fromkeys(map(str, UNFINISHED), 0)
    unfinished |= dict(open_tasks.order_by().values_list("status").annotate(number=Count("pk")))
    completed = DailyUsage.objects.aggregate(sum=Sum("requests"))["sum"] or 0
    everything = Wallet.objects.aggregate(sum=Sum("task_count"))["sum"] or 0
    failed = everything - completed - sum(unfinished.values())
    return {**unfinished, Status.COMPLETED: completed, Status.FAILED: max(failed, 0)}

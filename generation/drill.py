"""Fire drill: a route is made to fail for a minute, so that operators see with their own eyes what then happens.

Every attempt begun there ends as a retryable failure with nothing sent, and the task takes its next route. It
counts for nothing: not against the breaker, not as an alert, not as a cost.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts import auditlog
from accounts.models import User
from eggapi import clock
from generation import catalog
from generation.models import Route

MESSAGE = "fire drill"
SECONDS = 60


@transaction.atomic
def start(route: Route, actor: User | None = None) -> datetime | None:
    """Until when the route is made to fail, from within two seconds in every process; None where it is not in use."""
    catalog.changed()
    until = clock.now() + timedelta(seconds=SECONDS)
    in_use = Route.objects.filter(pk=route.pk, enabled=True, provider__enabled=True)
    if not in_use.update(drill_until=until):
        return None
    auditlog.note("route.drill", f"{route} {route.upstream_model}"[:200], actor, seconds=SECONDS)
    return until


@transaction.atomic
def stop(route: Route, actor: User | None = None) -> bool:
    """Ends a drill before its time; False where none is running."""
    catalog.changed()
    if not Route.objects.filter(pk=route.pk, drill_until__gt=clock.now()).update(drill_until=None):
        return False
    auditlog.note("route.drill_stop", f"{route} {route.upstream_model}"[:200], actor)
    return True

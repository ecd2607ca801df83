"""The account's audit log."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts import auditlog
from accounts.member import Member, members_only, require
from accounts.models import AuditEntry
from eggapi import pagination

PER_PAGE = 50


@require_GET
@members_only
def page(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /settings/log: for owners, who did what, newest first."""
    require(member, "account")
    entries = AuditEntry.objects.filter(account=member.account).select_related("actor").order_by("-pk")
    leaf = pagination.turn(entries, request.GET, PER_PAGE)
    return render(request, "accounts/log.html", {"page": leaf, "lines": auditlog.lines(leaf.rows)})

"""The first page of the dashboard."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.member import Member, members_only


@members_only
def overview(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /home"""
    return render(request, "generation/overview.html")

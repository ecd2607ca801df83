"""What an account used and what it cost: the figures of /v1/usage/summary, in days."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.member import Member, members_only
from billing import report
from billing.report import GROUPS, MONTH, PERIODS, Period, Report, Sums
from eggapi import charts, clock, money, sheet
from eggapi.envelope import base_url
from generation.views.keys import names_of

SERIES = 5  # told apart by colour; the rest is one
MOST_COLUMNS = 92
COLUMNS = ("day", "model", "key", "type", "requests", "images", "cost_usd")
TITLES = {"7d": "7 days", "30d": "30 days", "90d": "90 days", MONTH: "This month"}


@dataclass(frozen=True, slots=True)
class Line:
    """A group with its part of all, in percent, what it cost in the days before, and the list of its tasks."""

    name: str
    sums: Sums
    share: int
    before: int
    path: str

    @property
    def change(self) -> str:
        return change(self.sums.cost, self.before)


@members_only
def usage(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /usage: `group` is one of GROUPS, `period` as in billing.report, with `from` and `to`."""
    period = report.period_of(request.GET, clock.now().date())
    group = request.GET.get("group", "") if request.GET.get("group") in GROUPS else GROUPS[0]
    now, before = (report.read(member.caller, each, group) for each in (period, period.before))
    names = names_of(member) if group == "key" else {}
    total = now.total
    context = {
        "period": period,
        "group": group,
        "groups": GROUPS,
        "periods": [(name, TITLES[name]) for name in [*PERIODS, MONTH]],
        "total": total,
        "before": before.total,
        "changes": {
            name: change(getattr(total, name), getattr(before.total, name)) for name in ("requests", "units", "cost")
        },
        "each": total.cost // total.units if total.units else None,
        "listed": _lines(now, before, group, period, names),
        "chart": _chart(now, group, period, names) if total.requests else "",
        "same_by_api": f'curl {base_url(request)}/v1/usage/summary -H "Authorization: Bearer $EGGAPI_KEY"',
    }
    return render(request, "generation/usage.html", context)


@members_only
def usage_csv(request: HttpRequest, member: Member) -> HttpResponseBase:
    """GET /usage.csv: the period by day, model, key and type."""
    period = report.period_of(request.GET, clock.now().date())
    name = f"eggapi-usage-{member.mode}-{period.first}-{period.last}.csv"
    lines = _as_csv(report.lines(member.caller, period), names_of(member))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def change(now: int, before: int) -> str:
    """As people say it: +12 %, -100 %, or new where there was nothing before."""
    if not before:
        return "new" if now else ""
    percent = round(100 * (now - before) / before)
    return f"{percent:+,} %" if percent else "as before"


def _lines(now: Report, before: Report, group: str, period: Period, names: Mapping[int, str]) -> list[Line]:
    gone = {} if group == "day" else {each: Sums() for each in before.groups if each not in now.groups}
    cost = now.total.cost or 1
    return [
        Line(
            name=_name(each, names),
            sums=sums,
            share=round(100 * sums.cost / cost),
            before=before.groups[each].cost if each in before.groups else 0,
            path=_tasks(each, group, period),
        )
        for each, sums in [*now.groups.items(), *gone.items()]
    ]


def _name(each: Any, names: Mapping[int, str]) -> str:
    return names.get(each, f"key {each}") if isinstance(each, int) else str(each)


def _tasks(each: Any, group: str, period: Period) -> str:
    days = {"from": each, "to": each} if group == "day" else {group: each, "from": period.first, "to": period.last}
    return f"{reverse('tasks')}?{urlencode({'status': 'completed'} | days)}"


def _chart(now: Report, group: str, period: Period, names: Mapping[int, str]) -> SafeString:
    buckets = _buckets(period)
    series = {}
    if group == "day":
        series["cost"] = [sum(now.costs[day, day] for day in days) for days in buckets.values()]
    else:
        for each in list(now.groups)[:SERIES]:
            series[_name(each, names)] = _costs(now, [each], buckets.values())
        if others := list(now.groups)[SERIES:]:
            series["others"] = _costs(now, others, buckets.values())
    unit = "day" if len(buckets) == period.length else "month"
    return charts.columns(f"Cost per {unit} (UTC)", list(buckets), series, show=money.display)


def _costs(now: Report, groups: Sequence[Any], buckets: Iterable[Sequence[date]]) -> list[int]:
    return [sum(now.costs[each, day] for each in groups for day in days) for days in buckets]


def _buckets(period: Period) -> dict[str, list[date]]:
    """The columns of the chart: days, or months where those would be too many."""
    if period.length <= MOST_COLUMNS:
        return {f"{day:%b} {day.day}": [day] for day in period.days}
    months: dict[str, list[date]] = {}
    for day in period.days:
        months.setdefault(f"{day:%b %Y}", []).append(day)
    return months


def _as_csv(lines: Iterable[Sequence[Any]], names: Mapping[int, str]) -> Iterator[str]:
    yield sheet.line(COLUMNS)
    for day, model, key, kind, requests, units, cost in lines:
        yield sheet.line([day, model, _name(key, names), kind, requests, units, money.bare(cost)])

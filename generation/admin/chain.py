"""The chain of a model: its routes in order, edited, previewed, simulated, drilled, and put back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern

from accounts.admin import actor_of
from accounts.models import AuditEntry, Mode
from eggapi import clock
from eggapi.errors import ValidationFailed
from generation import catalog, chain, drill, edit, verdict
from generation.admin.pages import OwnPages, require
from generation.chain import Difference, Link
from generation.chainfile import BadChain, read_route
from generation.forms import RouteForm, SimulationForm
from generation.models import Breaker, ImageModel, Provider, Route
from generation.verdict import Verdict

MOST_CHANGES = 20
NEW = "new"


@dataclass(slots=True)
class Row:
    """A route with its form and how it stands; the one to be added has no route."""

    form: RouteForm
    route: Route | None = None
    breaker: Breaker | None = None
    drill_seconds: int = 0
    margins: list[tuple[str, int]] | None = None


@dataclass(slots=True)
class Sheet:
    """The editor as somebody looks at it; `seen` names the chain that it was made of."""

    model: ImageModel
    rows: list[Row]
    blank: Row
    seen: str
    difference: Difference | None = None
    fault: str = ""

    @property
    def groups(self) -> list[tuple[str, str, list[Row]]]:
        parts = [(Mode.LIVE, "Live keys"), (Mode.TEST, "Test keys (sandbox)")]
        return [(mode.value, title, [row for row in self.rows if _mode(row) == mode]) for mode, title in parts]

    @property
    def is_valid(self) -> bool:
        return all(row.form.is_valid() for row in self._filled)

    def links(self) -> list[Link]:
        """Raises BadChain."""
        entries = [{**row.form.entry, "model": self.model.name} for row in self._filled]
        entries = [{name: value for name, value in entry.items() if name != "label" or value} for entry in entries]
        planned = [read_route(entry, number) for number, entry in enumerate(entries, 1)]
        flags = [row.form.cleaned_data["enabled"] for row in self._filled]
        return [Link(route, enabled) for route, enabled in zip(planned, flags, strict=True)]

    @property
    def _filled(self) -> list[Row]:
        return [row for row in [*self.rows, self.blank] if row.form.is_bound]


def _mode(row: Row) -> Mode:
    return row.route.provider.mode if row.route else Mode.LIVE


class ChainPages(OwnPages):
    """Goes before ModelAdmin among the bases of the admin of models."""

    def chain_urls(self) -> list[URLPattern]:
        return [
            self.page("<int:pk>/chain/", self.chain, "chain"),
            self.verb("routes/<int:pk>/drill/", self.drill, "route_drill"),
            self.verb("breakers/<int:pk>/close/", self.close, "breaker_close"),
        ]

    def chain(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: the editor, with ?from=ENTRY as it was before that change. POST: a preview, or with `save` the deed."""
        require(request, "generation.view_route")
        model = get_object_or_404(ImageModel, pk=pk)
        if request.method == "POST":
            require(request, "generation.change_route")
            sheet = sheet_of(model, data=request.POST)
            if self._try(request, sheet) and "save" in request.POST:
                return redirect("admin:chain", pk)
        else:
            sheet = sheet_of(model, before=_earlier(model, request.GET.get("from", "")))
        simulation = SimulationForm(request.GET if "references" in request.GET else None, model=model)
        return self.show(
            request,
            "chain.html",
            f"Chain of {model}",
            object=model,
            sheet=sheet,
            simulation=simulation,
            verdicts=_simulated(request, model, simulation),
            changes=_changes(model),
            may=request.user.has_perm("generation.change_route"),
            may_close=request.user.has_perm("generation.delete_breaker"),
        )

    def _try(self, request: HttpRequest, sheet: Sheet) -> bool:
        """Saves or previews what was filled in; False where it cannot be."""
        if not sheet.is_valid:
            sheet.fault = "Nothing changed: please look at the fields marked below."
            return False
        try:
            if "save" not in request.POST:
                sheet.difference = chain.preview(sheet.model, sheet.links())
            elif request.POST.get("seen") != sheet.seen:
                sheet.fault = "Nothing changed: somebody has saved this chain meanwhile. Look at the difference again."
                sheet.difference = chain.preview(sheet.model, sheet.links())
                return False
            else:
                done = chain.save(sheet.model, sheet.links(), actor_of(request))
                self._tell(request, done)
        except BadChain as fault:
            sheet.fault = f"Nothing changed: {fault}"
            return False
        return True

    def _tell(self, request: HttpRequest, done: Difference) -> None:
        messages.success(request, "Saved: " + "; ".join(done.lines) if done.lines else "Nothing changes.")
        for warning in done.warnings:
            messages.warning(request, warning)

    def drill(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST turn=on or turn=off: a fire drill on this route."""
        require(request, "generation.change_route")
        route = get_object_or_404(Route.objects.select_related("model", "provider"), pk=pk)
        if request.POST.get("turn") == "off":
            drill.stop(route, actor_of(request))
            messages.success(request, f"The drill on {route.label} is over.")
        elif drill.start(route, actor_of(request)):
            messages.success(request, f"{route.label} fails for {drill.SECONDS} seconds. Tasks take the next route.")
        else:
            messages.error(request, f"{route.label} is not in use, so there is nothing to drill.")
        return redirect("admin:chain", route.model_id)

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST model=ID of the page to go back to: closes a breaker."""
        require(request, "generation.delete_breaker")
        row = Breaker.objects.select_related("provider").filter(pk=pk).first()
        if row:
            edit.close_breaker(row, actor_of(request))
            messages.success(request, f"{row.provider} is used for {row.upstream_model} again.")
        number = request.POST.get("model", "")
        model = ImageModel.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
        return redirect("admin:chain", model.pk) if model else redirect("admin:generation_imagemodel_changelist")


def sheet_of(
    model: ImageModel, data: Mapping[str, Any] | None = None, before: list[dict[str, Any]] | None = None
) -> Sheet:
    """The editor with what is stored, with what was filled in, or with the chain as it was `before`."""
    snapshot = chain.snapshot(model)
    shown = snapshot if before is None else _as_before(snapshot, before)
    stored = list(model.routes.select_related("model", "provider").order_by("priority", "pk"))
    providers = list(Provider.objects.order_by("name").values_list("name", flat=True))
    breakers = {(row.provider_id, row.upstream_model): row for row in Breaker.objects.all()}
    now = clock.now()
    prices = catalog.prices_of(model, now)
    rows = []
    for route, values in zip(stored, shown, strict=True):
        form = _form(f"route-{route.pk}", data, providers, RouteForm.initial_of(values), is_there=True)
        margins = [(each, prices[each] - cost) for each, cost in chain.costs_of(route, prices).items()]
        tripped = breakers.get((route.provider_id, route.upstream_model))
        rows.append(Row(form, route, tripped, _left(route, now), margins))
    rows.sort(key=_place)
    blank = Row(_form(NEW, data, providers, {"enabled": True}, is_there=False))
    sheet = Sheet(model, rows, blank, hashlib.sha256(json.dumps(snapshot).encode()).hexdigest())
    if before is not None:
        sheet.difference = chain.preview(model, chain.links_of(shown))
    return sheet


def _place(row: Row) -> int:
    """Where it stands by what was filled in, which may be no number."""
    try:
        return int(row.form["priority"].value())
    except ValueError:
        return row.route.priority if row.route else 0


def _form(
    prefix: str, data: Mapping[str, Any] | None, providers: list[str], initial: dict[str, Any], *, is_there: bool
) -> RouteForm:
    """Bound where something was filled in."""
    asked = f"{prefix}-priority" if is_there else f"{prefix}-upstream_model"
    sent = data if data and data.get(asked) else None
    return RouteForm(sent, prefix=prefix, initial=initial, is_there=is_there, providers=providers)


def _as_before(snapshot: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Routes are never deleted: those that were not there then are switched off."""
    then = {(each["provider"], each["upstream_model"]): each for each in before}
    return [then.get((each["provider"], each["upstream_model"]), {**each, "enabled": False}) for each in snapshot]


def _left(route: Route, now: datetime) -> int:
    """Seconds of a drill that are left."""
    return max(0, round((route.drill_until - now).total_seconds())) if route.drill_until else 0


def _changes(model: ImageModel) -> list[dict[str, Any]]:
    """The latest changes of a chain, each with what it changed, in words."""
    entries = AuditEntry.objects.filter(action=chain.EDITED, target=model.name).select_related("actor").order_by("-pk")
    return [{"entry": entry, "lines": _lines(entry.detail)} for entry in entries[:MOST_CHANGES]]


def _lines(detail: dict[str, Any]) -> list[str]:
    before = {(each["provider"], each["upstream_model"]): each for each in detail["before"]}
    lines = []
    for each in detail["after"]:
        old = before.get((each["provider"], each["upstream_model"]))
        way = f"{each['provider']} {each['upstream_model']}"
        if old is None:
            lines.append(f"{way}: added")
        elif changed := [f"{name} {old.get(name)} → {value}" for name, value in each.items() if old.get(name) != value]:
            lines.append(f"{way}: {', '.join(changed)}")
    return lines


def _earlier(model: ImageModel, number: str) -> list[dict[str, Any]] | None:
    """The chain before a change. Raises Http404."""
    if not number:
        return None
    wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
    entry = AuditEntry.objects.filter(pk=wanted, action=chain.EDITED, target=model.name).first()
    if entry is None:
        raise Http404
    before: list[dict[str, Any]] = entry.detail["before"]
    return before


def _simulated(request: HttpRequest, model: ImageModel, form: SimulationForm) -> list[Verdict] | None:
    """None where nothing was asked, or it makes no sense: the form says what."""
    if not form.is_bound or not form.is_valid():
        return None
    body = {**form.body, "model": model.name}
    try:
        return verdict.explain(Mode(form.cleaned_data["mode"]), body, form.cleaned_data["references"])
    except ValidationFailed as refusal:
        form.add_error(None, refusal.message)
        return None

"""The playground: a request as a form, with its price, its programs and what comes of it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import limits
from accounts.member import Member, members_only, require
from eggapi.envelope import base_url, error_response
from eggapi.errors import ApiError, ValidationFailed
from eggapi.fields import Fault
from eggapi.ratelimit import Limit
from generation import catalog, fields, receipt, snippets, storage, submit, uploads
from generation.models import UNFINISHED, Task
from generation.quote import quote
from generation.views.playground_form import PROMPT, PlaygroundForm, given_of
from generation.views.task import own_task

UPLOADS = Limit(60, 60, name="upload")
EXAMPLES = (
    ("Product photo", PROMPT),
    ("Night sea", "A sailing boat under a full moon and stars, night sea"),
    ("Watercolor", "A lighthouse on the coast at sunset, watercolor"),
    ("Neon city", "A rocket over a neon city at night"),
)
MAGIC = (
    ("sandbox:slow=20", "takes that many seconds"),
    ("sandbox:fail", "fails on every route, and costs $0.00"),
    ("sandbox:429", "the first route is busy, the second one serves"),
    ("sandbox:flaky=0.3", "the first route fails that often"),
    ("sandbox:partial", "brings half of the pictures, and costs those"),
    ("sandbox:moderation", "is refused for what it says"),
    ("sandbox:badimage", "brings bytes that are no picture"),
    ("sandbox:timeout", "never ends: it fails at its deadline"),
)


@require_http_methods(["GET", "HEAD", "POST"])
@members_only
def playground(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /playground?task=ID, or with any field of the form, fills it in; POST checks the price or generates.

    A task of the other mode fills it in too, but what came of it is not shown as if it were of this one.
    """
    if request.method == "POST":
        return _post(request, member)
    task = own_task(member, request.GET["task"]) if "task" in request.GET else None
    form = PlaygroundForm(given_of(task) if task else request.GET)
    form.forgive()
    own = task if task and task.mode == member.mode else None
    context = _context(request, member, form, own) | {"filled_from": task}
    return render(request, "generation/playground.html", context)


def _post(request: HttpRequest, member: Member) -> HttpResponse:
    require(member, "generate")
    given = request.POST.copy()
    refused = _keep_uploads(request, member, given)
    form = PlaygroundForm(given)
    body = form.body()
    if refused:
        form.blame({"image_urls": refused}, "")
    if request.POST.get("do") != "price" and form.is_valid():
        try:
            limits.count_page(member.account.pk, limits.SUBMITS)
            task, _ = submit.submit(member.caller, body)
        except ApiError as error:
            form.blame(error.fields, error.message)
        else:
            return _made(request, member, task)
    context = _context(request, member, form)
    if request.htmx:  # type: ignore[attr-defined]
        shown = render(request, "generation/_playground_form.html", context)
        shown["HX-Retarget"], shown["HX-Reswap"] = "#request", "outerHTML"
        return shown
    return render(request, "generation/playground.html", context, status=200 if form.is_valid() else 400)


def _made(request: HttpRequest, member: Member, task: Task) -> HttpResponse:
    address = f"{reverse('playground')}?task={task.pk}"
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(address)
    shown = render(request, "generation/_made.html", made(request, task))
    shown["HX-Push-Url"] = address
    return shown


@require_POST
@members_only
def price(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /playground/price: what the form as it stands would cost."""
    form = PlaygroundForm(request.POST)
    return render(request, "generation/_price.html", {"price": _price(member, form.body())})


@require_GET
@members_only
def progress(request: HttpRequest, member: Member, task_id: str) -> HttpResponse:
    """GET /playground/tasks/{id}?seen=STATUS: how it stands with a task; 204 while nothing is new."""
    task = own_task(member, task_id)
    if task.status == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "generation/_made.html", made(request, task))


@require_POST
@members_only
def upload(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /playground/uploads with a `file`: {"data": {"url"}} to name it by in image_urls, for a day."""
    require(member, "generate")
    try:
        return JsonResponse({"data": {"url": _kept(request, member, request.FILES.get("file"))}, "error": None})
    except Fault as fault:
        return error_response(ValidationFailed({"file": str(fault)}), request)
    except ApiError as error:
        return error_response(error, request)


def _kept(request: HttpRequest, member: Member, file: Any) -> str:
    if file is None:
        raise Fault("is required")
    limits.count_page(member.account.pk, UPLOADS)
    return uploads.keep(member.account.pk, file.file, base_url(request))


def _keep_uploads(request: HttpRequest, member: Member, given: Any) -> str:
    """Adds the addresses of files sent along to what was filled in; returns what is wrong with one."""
    for file in request.FILES.getlist("files")[: fields.MOST_IMAGE_URLS]:
        try:
            address = _kept(request, member, file)
        except (Fault, ApiError) as error:
            return f"{file.name} {error}"
        given["image_urls"] = f"{given.get('image_urls', '')}\n{address}".strip()
    return ""


def _context(request: HttpRequest, member: Member, form: PlaygroundForm, task: Task | None = None) -> dict[str, Any]:
    body, base = form.body(), base_url(request)
    shown = {
        "form": form,
        "models": catalog.current().models.values(),
        "price": _price(member, body),
        "base": base,
        "languages": [*snippets.languages(body, base), ("JSON", snippets.as_json(body))],
        "examples": EXAMPLES,
        "magic": MAGIC,
        "advanced": any(body.get(name) is not None for name in ("strategy", "webhook_url", "metadata")),
    }
    return shown | (made(request, task) if task else {})


def _price(member: Member, body: dict[str, Any]) -> dict[str, Any]:
    """A quote, or what stands in its way. Nobody needs a prompt to ask for a price."""
    try:
        found = quote(member.caller, {"prompt": "-", **body})
    except ApiError as error:
        return {"fault": error.message}
    usable = any(choice.obstacle is None for choice in found.choices)
    return {
        "cost": found.cost,
        "is_covered": found.is_covered,
        "usable": usable,
        "pictures": body.get("num_outputs", 1),
    }


def made(request: HttpRequest, task: Task) -> dict[str, Any]:
    """What came of a task so far."""
    base = base_url(request)
    outputs = task.outputs.exclude(path="").order_by("index")
    return {
        "task": task,
        "receipt": receipt.read(task),
        "is_unfinished": task.status in UNFINISHED,
        "pictures": [(each, storage.url_of(each.path, task.expires_at, base)) for each in outputs if task.expires_at],
        "seconds": f"{(task.completed_at - task.created_at).total_seconds():.1f} s" if task.completed_at else "",
    }

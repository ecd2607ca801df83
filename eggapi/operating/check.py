"""The page of the configuration check, with what can be tried out there."""

import logging

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.mail import send_mail
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.admin import actor_of
from eggapi import mail
from eggapi.doorbell import ring
from eggapi.serving import doctor, health

log = logging.getLogger("eggapi.operating")

SUBJECT = "EggAPI can send mail"
TEXT = "An operator asked for this letter, to see whether mail arrives. It does.\n"


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("eggapi.view_alert", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """/admin/doctor/: what `manage.py doctor` says; POST `try`=mail, storage or providers tries one out."""
    if request.method == "POST":
        _try(request)
        return redirect("admin:doctor")
    context = {"title": "Configuration check", "findings": doctor.examine()}
    return render(request, "operating/check.html", admin.site.each_context(request) | context)


def _try(request: HttpRequest) -> None:
    match request.POST.get("try"):
        case "mail":
            _try_mail(request, actor_of(request).email)
        case "storage":
            _try_storage(request)
        case "providers":
            ring("generation.tasks.check_providers")
            messages.info(request, "Every live provider is being asked; what is wrong becomes an alert.")


def _try_mail(request: HttpRequest, to: str) -> None:
    if not mail.is_on():
        mail.write([to], SUBJECT, TEXT)
        messages.warning(request, "There is no mail server (EMAIL_URL): the letter is in the outbox.")
        return
    try:
        send_mail(SUBJECT, TEXT, None, [to])
    except Exception as error:  # whatever is wrong with somebody else's server
        log.warning("test mail not sent", extra={"error_type": type(error).__name__})
        messages.error(request, f"The mail server did not take it ({type(error).__name__}). Look at EMAIL_URL.")
    else:
        messages.success(request, f"Sent to {to}.")


def _try_storage(request: HttpRequest) -> None:
    if fault := health.faults().get("storage"):
        messages.error(request, f"Storage: {fault}.")
    else:
        messages.success(request, "A file was written, read and deleted.")

"""Sign-up and sign-in with django-allauth: a person who signs up gets an account with all that comes with one."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest

from accounts import opening
from accounts.models import User
from eggapi import ratelimit

log = logging.getLogger("eggapi.accounts")


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit)
            if commit:
                opening.open_for(saved)
            return saved

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """An address need not be confirmed, so a mail server that is away keeps nobody out."""
        try:
            super().send_confirmation_mail(request, emailconfirmation, signup)
        except (OSError, SMTPException) as error:
            log.warning("confirmation mail not sent", extra={"error_type": type(error).__name__})

    def get_client_ip(self, request: HttpRequest) -> str:
        return ratelimit.client_ip(request)

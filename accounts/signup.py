"""Sign-up and sign-in with django-allauth: a person who signs up gets an account with all that comes with one."""

from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from accounts import firstkey, invitations, legal, notices, opening
from accounts.models import Invitation, User
from eggapi import clock, crypto, mail, ratelimit
from eggapi.envelope import base_url

LONGEST_BROWSER = 200
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # whatever of theirs was asked, it leads a person to their own machine
NOWHERE = "0.0.0.0"  # who came from no address that can be told


class AccountAdapter(DefaultAccountAdapter):
    @cached_property
    def invitation(self) -> Invitation | None:
        """The one this browser came with, by the link in a mail."""
        return invitations.kept(self.request.session.get("invitation"))

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.EGGAPI_SIGNUP == "open" or (settings.EGGAPI_SIGNUP == "invite" and bool(self.invitation))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The person, and an account: their own with a key to begin with, or the one that invited them."""
        user.terms_version, user.terms_at = legal.version(), clock.now()
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit)
            if self.invitation and not invitations.accept(self.invitation, saved):
                raise PermissionDenied("This invitation was used, or taken back.")
            if self.invitation and self.invitation.account_id:
                request.session["account"] = self.invitation.account_id
            else:
                firstkey.make(request.session, opening.open_for(saved), saved)
            return saved

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """With what comes of it, or not at all."""
        with transaction.atomic():
            confirmed = bool(super().confirm_email(request, email_address))
            if confirmed:
                opening.verified(email_address.user, _address(ratelimit.client_network(request)))
            return confirmed

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """By the one way out, which delays it while the mail server is away and does without one."""
        links = {name: _of_ours(value) for name, value in context.items() if name.endswith("_url")}
        context = {"email": email, "credit": settings.EGGAPI_SIGNUP_CREDIT, **context, **links}
        subject = render_to_string(f"{template_prefix}_subject.txt", context).strip()
        mail.write([email], subject, render_to_string(f"{template_prefix}_message.txt", context).strip() + "\n")

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        browser = self.get_http_user_agent(self.request)[:LONGEST_BROWSER]
        notices.tell(email or user.email, template_prefix, self.get_client_ip(self.request), browser, **(context or {}))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Always an address: it is written into columns that take nothing else."""
        return _address(ratelimit.client_ip(request))


def _of_ours(link: str) -> str:
    """Where nobody has said what we are called, a stranger may name any host, and our mail must not lead there."""
    parts = urlsplit(link)
    if "*" not in settings.ALLOWED_HOSTS or parts.hostname in LOOPBACK:
        return link
    return base_url() + parts._replace(scheme="", netloc="").geturl()


class SocialAdapter(DefaultSocialAccountAdapter):
    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """An address that GitHub or Google has seen confirmed is."""
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            if is_verified(user):
                opening.verified(user, _address(ratelimit.client_network(request)))
            return user


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": "Turn two-factor authentication off before you change your address, and on again after.",
        "unverified_email": "Confirm your e-mail address first: the link is in your mail.",
        "incorrect_code": "This code is not right. Codes change every half minute, and work once.",
    }

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {number + 1}" if number else "Passkey"

    def encrypt(self, text: str) -> str:
        return crypto.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.decrypt(encrypted_text)


def is_verified(user: User) -> bool:
    """Whether the person has shown that their address is theirs."""
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())


def is_waited_for(user: User) -> bool:
    """Whether a link to confirm the person's address is out. None is for who came by other ways than signing up."""
    return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=False).exists())


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return NOWHERE

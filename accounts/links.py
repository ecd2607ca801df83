"""One-time sign-in links: how the first operator gets in, and anyone without a password."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models.functions import Now

from accounts.models import LoginLink, User
from eggapi import clock, crypto
from eggapi.ids import BASE62, random_text

VALID_FOR = timedelta(minutes=10)


def make(user: User) -> str:
    """A new link's address. It is good for ten minutes and for one use."""
    token, now = random_text(32, BASE62), clock.now()
    user.login_links.filter(expires_at__lt=now).delete()
    LoginLink.objects.create(user=user, digest=crypto.digest(token), expires_at=now + VALID_FOR)
    return f"{running_url()}/start/{token}"


def redeem(token: str) -> User | None:
    """The person the link was made for, to the first who asks; None for all others and after ten minutes."""
    links = LoginLink.objects.filter(digest__in=crypto.digests(token))
    # No join here: it would move the guard into a subquery, which PostgreSQL does not ask again after a wait.
    if not links.filter(used_at=None, expires_at__gt=Now()).update(used_at=Now()):
        return None
    user = links.select_related("user").get().user
    return user if user.is_active else None


def purge(now: datetime) -> None:
    """Forgets links that nobody can use any more."""
    LoginLink.objects.filter(expires_at__lt=now).delete()


def running_url() -> str:
    """EGGAPI_PUBLIC_URL, else where the running server says it listens, else the default port."""
    try:
        written = (settings.EGGAPI_HOME / "url").read_text().strip()
    except FileNotFoundError:
        written = ""
    return settings.EGGAPI_PUBLIC_URL or written or "http://127.0.0.1:8000"

"""What a newcomer finds: an account, a key, a way in, and a picture made with them."""

from pathlib import Path

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from accounts import keys, opening
from accounts.models import Account, ApiKey, Mode, User
from billing import ledger
from billing.models import LedgerEntry
from eggapi import crypto
from eggapi.serving import home
from eggapi.serving.program import NoPicture, Program
from generation.models import Provider

KEY_NAME = "demo"
STARTING_CREDIT = 1_000_000  # $1.00
PICTURE = {
    "model": "nanobanana",
    "prompt": "A sailing boat under a full moon and stars, night sea",
    "aspect_ratio": "16:9",
    "seed": 7,
}
PICTURE_SECONDS = 60.0


@transaction.atomic
def first_account(email: str) -> tuple[User, Account]:
    """The account of `email` with all that comes with one. In the embedded mode its owner becomes the operator if
    there is none."""
    account = opening.account_of(email)
    user = User.objects.get(email=email)
    # Whoever may set the variable may read its mail, too.
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    if settings.EGGAPI_EMBEDDED and not User.objects.filter(is_superuser=True).exists():
        User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
        user.refresh_from_db()
    return user, account


def demo_key(account: Account, path: Path) -> str:
    """The account's test key, kept in `path`; another one is made only if that is gone, revoked or not its own."""
    kept = path.read_text().strip() if path.exists() else ""
    if kept and ApiKey.objects.filter(digest__in=crypto.digests(kept), account=account, revoked_at=None).exists():
        return kept
    _, text = keys.mint(account, Mode.TEST, KEY_NAME)
    home.write(path, f"{text}\n", mode=0o600)
    return text


@transaction.atomic
def live_key(account: Account) -> str:
    """The account's first live key, with money to start with, once the environment gives a provider; else empty."""
    provider = Provider.objects.filter(name__in=settings.EGGAPI_PROVIDER_KEYS).exclude(adapter="sandbox")
    if not provider.exists() or ApiKey.objects.filter(account=account, mode=Mode.LIVE).exists():
        return ""
    promo = LedgerEntry.Counterpart.PROMO
    ledger.credit(account, Mode.LIVE, STARTING_CREDIT, reason="starting credit", counterpart=promo)
    _, text = keys.mint(account, Mode.LIVE, KEY_NAME)
    return text


def make_picture(base_url: str, key: str, path: Path) -> None:
    """Asks for a picture over the public API, waits for it and saves it. Raises NoPicture."""
    program = Program(base_url, key)
    *_, task = program.follow(program.submit(PICTURE), PICTURE_SECONDS)
    try:
        path.write_bytes(program.picture(task))
    except OSError as error:
        raise NoPicture(f"{path} cannot be written: {error.strerror}") from error

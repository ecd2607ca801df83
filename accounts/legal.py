"""Terms, privacy and acceptable use: Markdown files of the operator, who may put his own into EGGAPI_HOME/legal."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.db.models.functions import Now

from accounts.models import User
from eggapi.docs import Page, made_of

NAMES = ("terms", "privacy", "acceptable-use")
AGREED = ("terms", "acceptable-use")  # what people accept; the other tells
FOLDER = settings.BASE_DIR / "docs/legal"
VERSION = "Version: "


@dataclass(frozen=True, slots=True)
class Document:
    page: Page
    version: str


@cache
def document(name: str) -> Document:
    """One of NAMES. Its version is what the first line says: `Version: 2026-11-21`; without that line it has none."""
    own = settings.EGGAPI_HOME / "legal" / f"{name}.md"
    text = (own if own.is_file() else FOLDER / f"{name}.md").read_text()
    first, _, rest = text.partition("\n")
    if not first.startswith(VERSION):
        return Document(made_of(name, text), "")
    return Document(made_of(name, rest), first.removeprefix(VERSION).strip()[:20])


def version() -> str:
    """The newest of what people accept. Files are read once: a new version takes a new start."""
    return max(document(name).version for name in AGREED)


def accept(user: User) -> None:
    """Writes down that the person accepts what is in force now."""
    User.objects.filter(pk=user.pk).update(terms_version=version(), terms_at=Now())


def is_due(user: User) -> bool:
    """Whether to ask the person. Not those who operate it: the terms are theirs."""
    return not user.is_staff and user.terms_version != version()

"""What every sign-up asks for, whichever way it is."""

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import Invitation, User

LABEL = SafeString(
    'I accept the <a href="/legal/terms" target="_blank">terms</a>'
    ' and the <a href="/legal/acceptable-use" target="_blank">acceptable use policy</a>'
)


class Agreement(forms.Form):
    """allauth's forms of signing up, with a password or through somebody else, are made of this one.

    Who was invited signs up with the address that was invited.
    """

    terms = forms.BooleanField(label=LABEL, error_messages={"required": "Please accept them to sign up."})
    field_order = ("email", "password1", "terms")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation: Invitation | None = get_adapter().invitation
        if self.invitation:
            self.initial["email"] = self.invitation.email
            self.fields["email"].disabled = True

    def signup(self, request: HttpRequest, user: User) -> None:
        """allauth's hook: the adapter has done everything."""

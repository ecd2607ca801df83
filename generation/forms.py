"""What operators fill in about what is sold and where it is bought."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from eggapi.fields import Fault
from generation import chainfile
from generation.chain import SANDBOX
from generation.models import Provider
from generation.providers import ADAPTERS

KEPT = "•••••••• stays as it is"


def read(name: str, value: Any, readers: dict[str, chainfile.Read] = chainfile.PROVIDER) -> Any:
    """A value as the chain's file would have it. Raises ValidationError."""
    try:
        return readers[name](value)
    except Fault as fault:
        raise forms.ValidationError(f"It {fault}.") from None


class ProviderForm(forms.ModelForm):
    """Secrets can be written and never read: an empty field leaves what is there."""

    adapter = forms.ChoiceField(
        choices=[(name, name) for name in sorted(ADAPTERS.keys() - {SANDBOX})], widget=UnfoldAdminSelectWidget
    )
    credential = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="The vendor's API key. It is stored encrypted and never shown.",
    )
    callback_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="What the vendor signs its callbacks with, where it does.",
    )
    result_hosts = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="One a line: hosts of its pictures that may be private addresses, such as 10.0.0.7:9000.",
    )

    class Meta:
        model = Provider
        fields = ("name", "adapter", "base_url", "concurrency", "result_hosts", "low_balance", "enabled")
        widgets = {"base_url": UnfoldAdminTextInputWidget}
        help_texts = {
            "name": "Yours to choose, and for good: alerts, files of routes and the log know it by this name.",
            "base_url": "Empty for the vendor's own.",
            "concurrency": "Attempts under way at a time; empty for no limit.",
            "low_balance": "In the vendor's unit: below it you are alerted. 0 is never, empty the vendor's usual.",
            "enabled": "Switched off, none of its routes is taken; what was bought is still fetched.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hosts = self.instance.result_hosts
        self.initial["result_hosts"] = "\n".join(hosts)
        for secret in chainfile.SECRETS:
            if secret in self.fields and getattr(self.instance, f"{secret}_encrypted"):
                self.fields[secret].widget.attrs["placeholder"] = KEPT
        if "credential" in self.fields:
            self.fields["credential"].required = self.instance.pk is None

    @property
    def secrets(self) -> dict[str, str]:
        """Those that were filled in."""
        return {name: value for name in chainfile.SECRETS if (value := self.cleaned_data.get(name))}

    def clean_name(self) -> str:
        name: str = read("name", self.cleaned_data["name"])
        return name

    def clean_base_url(self) -> str:
        url: str = self.cleaned_data["base_url"]
        return read("base_url", url) if url else ""

    def clean_concurrency(self) -> int | None:
        most: int | None = self.cleaned_data["concurrency"]
        return None if most is None else read("concurrency", most)

    def clean_low_balance(self) -> Any:
        low = self.cleaned_data["low_balance"]
        return None if low is None else read("low_balance", low)

    def clean_result_hosts(self) -> list[str]:
        hosts: list[str] = read("result_hosts", self.cleaned_data["result_hosts"].split())
        return hosts

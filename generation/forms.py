"""What operators fill in about what is sold and where it is bought."""

import tomllib
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Mode
from eggapi import clock, money
from eggapi.fields import Fault
from generation import chainfile, fields
from generation.chain import SANDBOX
from generation.models import ImageModel, Price, Provider
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


class PriceForm(forms.ModelForm):
    """A price from a moment on: now, or later. It is never changed afterwards."""

    amount = money.DollarsInput(widget=UnfoldAdminTextInputWidget, help_text="Dollars an image, such as 0.03.")
    resolution = forms.ChoiceField(
        choices=[(name, name) for name in fields.RESOLUTIONS], widget=UnfoldAdminSelectWidget
    )
    since = forms.SplitDateTimeField(
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="UTC; empty for now. Tasks accepted before keep their price.",
    )

    class Meta:
        model = Price
        fields = ("model", "resolution", "amount", "since")

    def clean_amount(self) -> int:
        amount: int | None = self.cleaned_data["amount"]
        if amount is None or amount <= 0:
            raise forms.ValidationError("It must be more than nothing.")
        return amount

    def clean_since(self) -> Any:
        since = self.cleaned_data["since"]
        if since and since < clock.now():
            raise forms.ValidationError("What has passed is not rewritten: take a time to come, or leave it empty.")
        return since

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        model, resolution = cleaned.get("model"), cleaned.get("resolution")
        if model and resolution and resolution not in model.resolutions:
            self.add_error("resolution", f"{model} has {', '.join(model.resolutions)}.")
        return cleaned


class RouteForm(forms.Form):
    """A route of a chain: one that is there keeps its provider and upstream model, which are what it is."""

    provider = forms.CharField(max_length=64)
    upstream_model = forms.CharField(max_length=128)
    label = forms.CharField(max_length=40, required=False)
    priority = forms.IntegerField(initial=10)
    weight = forms.IntegerField(min_value=0, initial=1)
    cost_usd = forms.CharField(label="Cost", max_length=30)
    cost_4k_usd = forms.CharField(label="Cost at 4k", max_length=30, required=False)
    cost_per_reference_usd = forms.CharField(label="Per reference", max_length=30, initial="0")
    when = forms.CharField(label="Only when", max_length=500, required=False)
    official = forms.BooleanField(required=False)
    require_margin = forms.BooleanField(label="Never at a loss", required=False)
    enabled = forms.BooleanField(required=False)

    def __init__(self, *args: Any, is_there: bool, providers: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.use_required_attribute = is_there  # or a browser would not send the others before this one is filled in
        if is_there:
            self.fields["provider"].disabled = self.fields["upstream_model"].disabled = True
        else:
            choices = [("", "Choose"), *((name, name) for name in providers)]
            self.fields["provider"] = forms.ChoiceField(choices=choices)
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off"}
            if self.is_bound and name in self.errors:
                field.widget.attrs["aria-invalid"] = "true"

    @staticmethod
    def initial_of(values: dict[str, Any]) -> dict[str, Any]:
        """What a chain's snapshot says of a route, as the form shows it."""
        when = ", ".join(f"{name} = {chainfile.toml(allowed)}" for name, allowed in (values["when"] or {}).items())
        return {**values, "when": when}

    @property
    def entry(self) -> dict[str, Any]:
        """[[route]] as in a file, but for the model; for a form that is valid."""
        names = ("provider", "upstream_model", "label", "priority", "weight", "when", "official", "require_margin")
        costs = {name: self.cleaned_data[name] for name in ("cost_usd", "cost_4k_usd", "cost_per_reference_usd")}
        return {name: self.cleaned_data[name] for name in names} | {name: cost for name, cost in costs.items() if cost}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in chainfile.ROUTE.keys() & cleaned.keys():
            value = cleaned[name]
            if value == "" and not self.fields[name].required:
                continue
            try:
                read(name, value, chainfile.ROUTE)
            except forms.ValidationError as error:
                self.add_error(name, error)
        return cleaned

    def clean_when(self) -> Any:
        text = self.cleaned_data["when"]
        try:
            return tomllib.loads(f"when = {{ {text} }}")["when"]
        except ValueError:
            raise forms.ValidationError('It must read: resolution = ["2k", "4k"], type = ["image_edit"].') from None


class SimulationForm(forms.Form):
    """A request, as far as its route depends on it."""

    resolution = forms.ChoiceField(required=False)
    aspect_ratio = forms.ChoiceField(choices=[(name, name) for name in fields.ASPECT_RATIOS])
    references = forms.IntegerField(min_value=0, max_value=fields.MOST_IMAGE_URLS, initial=0)
    strategy = forms.ChoiceField(choices=[(name, name) for name in fields.STRATEGIES])
    mode = forms.ChoiceField(choices=Mode.choices, label="Key")

    def __init__(self, *args: Any, model: ImageModel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["resolution"].choices = [(name, name) for name in model.resolutions]  # type: ignore[attr-defined]

    @property
    def body(self) -> dict[str, Any]:
        names = ("resolution", "aspect_ratio", "strategy")
        return {name: value for name in names if (value := self.cleaned_data[name])}

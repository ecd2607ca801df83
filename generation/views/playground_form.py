"""The form of the playground: the fields of POST /v1/generate, as people fill them in."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from generation import catalog, fields
from generation.models import Task

PROMPT = "A cinematic product photo of a matte green travel mug"
TEXTS = {
    "prompt": forms.Textarea(attrs={"rows": 4, "maxlength": fields.PROMPT_CHARACTERS}),
    "negative_prompt": forms.Textarea(attrs={"rows": 2, "maxlength": fields.NEGATIVE_PROMPT_CHARACTERS}),
    "image_urls": forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "placeholder": "https://"}),
    "metadata": forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "placeholder": '{"order": "42"}'}),
}


class PlaygroundForm(forms.Form):
    """Checks no more than that there is something to read; the rest is said by whoever takes the request."""

    model = forms.ChoiceField()
    prompt = forms.CharField(widget=TEXTS["prompt"])
    negative_prompt = forms.CharField(widget=TEXTS["negative_prompt"], required=False)
    aspect_ratio = forms.ChoiceField(choices=[(ratio, ratio) for ratio in fields.ASPECT_RATIOS])
    num_outputs = forms.TypedChoiceField(
        coerce=int, choices=[(n, str(n)) for n in range(1, fields.MOST_OUTPUTS + 1)], label="Pictures"
    )
    resolution = forms.ChoiceField()
    seed = forms.IntegerField(
        required=False, widget=forms.NumberInput(attrs={"min": fields.SEEDS[0], "max": fields.SEEDS[1]})
    )
    strategy = forms.ChoiceField(choices=[(name, name) for name in fields.STRATEGIES])
    image_urls = forms.CharField(widget=TEXTS["image_urls"], required=False)
    webhook_url = forms.CharField(
        required=False, widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks/eggapi"})
    )
    metadata = forms.CharField(widget=TEXTS["metadata"], required=False)

    # As they stand in the body.
    NAMES = (
        *("model", "prompt", "negative_prompt", "aspect_ratio", "num_outputs", "resolution"),
        *("seed", "strategy", "image_urls", "webhook_url", "metadata"),
    )

    def __init__(self, given: Any) -> None:
        """`given` lacks what is to be as it is by default."""
        super().__init__(defaults() | {name: given[name] for name in self.NAMES if name in given}, label_suffix="")
        models = catalog.current().models.values()
        self.fields["model"].choices = [(model.name, model.name) for model in models]  # type: ignore[attr-defined]
        offered = [each for each in fields.RESOLUTIONS if any(each in model.resolutions for model in models)]
        self.fields["resolution"].choices = [(each, each) for each in offered]  # type: ignore[attr-defined]

    def clean_prompt(self) -> str:
        return lines(self.cleaned_data["prompt"])

    def clean_negative_prompt(self) -> str:
        return lines(self.cleaned_data["negative_prompt"])

    def clean_image_urls(self) -> list[str]:
        text: str = self.cleaned_data["image_urls"]
        return text.split()

    def clean_metadata(self) -> Any:
        text = self.cleaned_data["metadata"]
        try:
            value = json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise ValidationError("This is not JSON.") from None
        if value is not None and not isinstance(value, dict):
            raise ValidationError('This must be an object, such as {"order": "42"}.')
        return value

    def body(self) -> dict[str, Any]:
        """The request, without what is empty, at fault or as it would be anyway: like `bodyOf` in snippets.js."""
        self.is_valid()
        read = {name: self.cleaned_data.get(name) for name in self.NAMES}
        if read["strategy"] == fields.STRATEGIES[0]:
            read["strategy"] = None
        return {name: value for name, value in read.items() if value not in (None, "", [], {})}

    def forgive(self) -> None:
        """Nothing was sent yet, so nothing is at fault."""
        self.is_valid()
        self.errors.clear()

    def blame(self, faults: dict[str, str], message: str) -> None:
        """Puts what was said of a request to the fields it was said of."""
        for name, fault in faults.items():
            self.add_error(name if name in self.fields else None, fault[:1].upper() + fault[1:].rstrip(".") + ".")
        if not faults:
            self.add_error(None, message)


def defaults() -> dict[str, str]:
    model = next(iter(catalog.current().models.values()), None)
    return {
        "model": model.name if model else "",
        "prompt": PROMPT,
        "resolution": model.default_resolution if model else "",
        "aspect_ratio": fields.ASPECT_RATIOS[0],
        "num_outputs": "1",
        "strategy": fields.STRATEGIES[0],
    }


def lines(text: str) -> str:
    """Browsers send line ends as networks have them."""
    return text.replace("\r\n", "\n")


def given_of(task: Task) -> dict[str, str]:
    """What was filled in for a task."""
    return {
        "model": task.model,
        "prompt": task.prompt,
        "negative_prompt": task.negative_prompt,
        "aspect_ratio": task.aspect_ratio,
        "num_outputs": str(task.num_outputs),
        "resolution": task.resolution,
        "seed": "" if task.seed is None else str(task.seed),
        "strategy": task.strategy,
        "image_urls": "\n".join(task.image_urls),
        "webhook_url": task.webhook_url,
        "metadata": json.dumps(task.metadata, ensure_ascii=False) if task.metadata else "",
    }

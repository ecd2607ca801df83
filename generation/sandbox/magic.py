"""Words in a prompt that make the sandbox misbehave on purpose, like a payment vendor's test cards.

sandbox:fail         the job is taken and then fails
sandbox:moderation   the job is refused
sandbox:timeout      the job is taken and never ends
sandbox:429          the first sandbox is busy; the second one serves
sandbox:slow=20      the job takes that many seconds, an hour at most
sandbox:flaky=0.3    the first sandbox fails the job with that probability
sandbox:partial      fewer images than asked for, at least one
sandbox:badimage     the bytes that arrive are no image
"""

import re
from dataclasses import dataclass

SLOWEST = 3600.0  # seconds
WORD = re.compile(r"sandbox:(fail|moderation|timeout|429|partial|badimage)(?!\w)", re.IGNORECASE)
NUMBER = re.compile(r"sandbox:(slow|flaky)=([0-9]+(?:\.[0-9]+)?)(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Magic:
    """`slow` in seconds; `flaky` a probability."""

    words: frozenset[str]
    slow: float | None
    flaky: float


def read(prompt: str) -> Magic:
    """The magic in a prompt; what is malformed is no magic, what is too large is cut to the limit."""
    numbers = {name.lower(): float(value) for name, value in NUMBER.findall(prompt)}
    return Magic(
        words=frozenset(word.lower() for word in WORD.findall(prompt)),
        slow=min(numbers["slow"], SLOWEST) if "slow" in numbers else None,
        flaky=min(numbers.get("flaky", 0.0), 1.0),
    )

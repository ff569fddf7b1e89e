"""What questions to a language model may cost, and what they have cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

from retrieval.arguments import require_count
from retrieval.errors import InputError

_PER_TOKEN = 1_000_000
_BYTES_PER_TOKEN = 3  # fewer than English text has: an estimate that is rather too high
_PER_MESSAGE = 8


@dataclass(frozen=True)
class Price:
    """What tokens cost, in the money that the budget is in.

    Args:
        input: Of a million tokens that are sent.
        output: Of a million tokens that are answered.
    """

    input: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            InputError: One is below 0.
        """
        for one in fields(self):
            _require_amount(getattr(self, one.name), f"price.{one.name}")

    def of(self, sent: int, answered: int) -> float:
        """Return what so many tokens cost."""
        return (self.input * sent + self.output * answered) / _PER_TOKEN


@dataclass(frozen=True)
class Usage:
    """What was asked, or would be.

    Attributes:
        calls: Questions that the server was sent, and answered.
        sent: Tokens of these.
        answered: Tokens of the answers.
        money: What they cost, by the price.
        hits: Questions that the cache answered, for nothing.
        retries: Calls that had to be repeated.
    """

    calls: int = 0
    sent: int = 0
    answered: int = 0
    money: float = 0.0
    hits: int = 0
    retries: int = 0

    @property
    def tokens(self) -> int:
        """Tokens sent and answered."""
        return self.sent + self.answered

    def __add__(self, other: Usage) -> Usage:
        """Return what both are together."""
        mine = (getattr(self, one.name) for one in fields(self))
        its = (getattr(other, one.name) for one in fields(self))
        return Usage(*(a + b for a, b in zip(mine, its, strict=True)))

    def __sub__(self, other: Usage) -> Usage:
        """Return what came after the other."""
        mine = (getattr(self, one.name) for one in fields(self))
        its = (getattr(other, one.name) for one in fields(self))
        return Usage(*(a - b for a, b in zip(mine, its, strict=True)))

    def __str__(self) -> str:
        """Return it as a person reads it."""
        money = f", {self.money:.4f} money" if self.money else ""
        return f"{self.calls:,} calls, {self.tokens:,} tokens{money}, {self.hits:,} from the cache"


@dataclass(frozen=True)
class Budget:
    """The most that one language model may be asked, over its life; None: any amount.

    Args:
        calls: Questions sent.
        tokens: Tokens sent and answered.
        money: In the money of the price.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None

    def __post_init__(self) -> None:
        """Check each.

        Raises:
            InputError: One is below 0.
        """
        for name in ("calls", "tokens"):
            if getattr(self, name) is not None:
                require_count(getattr(self, name), f"budget.{name}", least=0)
        if self.money is not None:
            _require_amount(self.money, "budget.money")

    def has_room(self, spent: Usage, more: Usage) -> bool:
        """Tell whether something fits in beside what is spent."""
        after = spent + more
        limits = ((self.calls, after.calls), (self.tokens, after.tokens), (self.money, after.money))
        return all(most is None or needed <= most for most, needed in limits)


def estimate_tokens(text: str) -> int:
    """Return how many tokens a message may have, rather too many than too few."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + _PER_MESSAGE


def _require_amount(value: object, name: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise InputError(f"{name} must be a number of at least 0, got {value!r}")

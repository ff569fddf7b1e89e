"""Whether launches are described by their concepts, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConceptVerdict:
    """Whether concepts are used in forecasts, and why.

    Attributes:
        used: Whether they are.
        reason: In plain words.
        launches: How many past launches told.
        without: Weighted quantile loss (WQL) of their totals without concepts.
        with_concepts: The same with them.
        low: 95 % interval of how much lower the latter is, over groups of launches.
        high: Its upper end. None of them where nothing was compared.
    """

    used: bool
    reason: str
    launches: int = 0
    without: float | None = None
    with_concepts: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        said = f"concepts: {'used' if self.used else 'not used'}, {self.reason}"
        if self.without is None or self.with_concepts is None:
            return said
        return (
            f"{said} (loss of totals {self.without:.3f} without, {self.with_concepts:.3f} with; "
            f"lower by {self.without - self.with_concepts:+.3f} [{self.low:+.3f}, "
            f"{self.high:+.3f}] on {self.launches:,} past launches)"
        )

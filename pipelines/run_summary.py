"""What a person sees of a run on the terminal: a line a step."""

from rich.console import Console
from rich.markup import escape

from pipelines.runs.steps import Outcome

_STYLES = {"done": "bold green", "unchanged": "cyan", "not asked for": "dim"}


def show_outcome(console: Console, outcome: Outcome) -> None:
    """One line: the step, what became of it, its counts."""
    style = _STYLES[outcome.status]
    status = f"[{style}]{outcome.status}[/]" + " " * (14 - len(outcome.status))
    said = outcome.reason or "  ".join(
        f"{count:,} {name.replace('_', ' ')}" if isinstance(count, int) else f"{name} {count}"
        for name, count in outcome.counts.items()
    )
    seconds = f"  ({outcome.seconds:.1f} s)" if outcome.status == "done" else ""
    console.print(f"{outcome.step:<9} {status} {escape(said)}{seconds}")

"""What a benchmark found, beside what is promised: lines of a table that says whether it held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        part: What was done.
        measured: What came of it, in words and numbers.
        promised: What should come of it; empty where nothing is promised.
        holds: Whether it does; None where nothing is promised, or it could not be tried.
    """

    part: str
    measured: str
    promised: str = ""
    holds: bool | None = None


def told(finding: Finding) -> str:
    """Return a finding as a row of a Markdown table."""
    verdict = {True: "yes", False: "**no**", None: ""}[finding.holds]
    return f"| {finding.part} | {finding.measured} | {finding.promised} | {verdict} |"


def table(findings: Iterable[Finding]) -> str:
    """Return findings as a Markdown table."""
    head = ["| what | measured | promised | held |", "|---|---|---|---|"]
    return "\n".join([*head, *map(told, findings)])

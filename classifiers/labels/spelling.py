"""The same label written in several ways: found, warned of, and made one."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from retrieval import first_few


class LabelSpellingWarning(UserWarning):
    """Labels differ in nothing but case or blanks; they count as different labels."""


def similar_spellings(y: Iterable[Any]) -> list[list[str]]:
    """Group the labels that differ in nothing but case or blanks between words.

    Args:
        y: Labels, or lists of labels. Blanks around a label never count. What is not a string is
            passed over.

    Returns:
        The groups of two or more spellings, sorted; in a group the most frequent spelling first,
        equally frequent ones in sort order.
    """
    return sorted(spellings for spellings in _spellings(y).values() if len(spellings) > 1)


def normalize_labels(y: Iterable[Any]) -> list[Any]:
    """Give labels that differ in nothing but case or blanks their most frequent spelling.

    Args:
        y: Labels, or lists of labels. What is not a string, missing labels included, is kept.

    Returns:
        The labels in the order given, without blanks around them; where y holds lists, lists, a
        label at most once in each.
    """
    entries = list(y)
    chosen = {key: spellings[0] for key, spellings in _spellings(entries).items()}

    def normalized(label: Any) -> Any:
        return chosen[_key(label)] if isinstance(label, str) else label

    return [
        normalized(entry) if _is_label(entry) else list(dict.fromkeys(map(normalized, entry)))
        for entry in entries
    ]


def warn_of_similar_spellings(y: Iterable[Any], *, stacklevel: int = 2) -> None:
    """Warn with `LabelSpellingWarning` where `similar_spellings` finds any.

    Args:
        y: Labels, or lists of labels.
        stacklevel: Whose line the warning shows: 2 is the caller's, 3 that of its caller.
    """
    groups = similar_spellings(y)
    if not groups:
        return
    shown = "; ".join(first_few(groups, lambda group: " / ".join(map(repr, group))))
    warnings.warn(
        f"labels differ in nothing but case or blanks and count as different ones: {shown}. "
        "classifiers.normalize_labels(y) makes them one",
        LabelSpellingWarning,
        stacklevel=stacklevel,
    )


def _spellings(y: Iterable[Any]) -> dict[str, list[str]]:
    """Map what a label is, case and blanks aside, to its spellings, the most frequent first."""
    counts = Counter(label.strip() for label in _each(y) if isinstance(label, str))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups[_key(label)].append(label)
    return groups


def _each(y: Iterable[Any]) -> Iterator[Any]:
    for entry in y:
        if _is_label(entry):
            yield entry
        else:
            yield from entry


def _is_label(entry: Any) -> bool:
    return isinstance(entry, str) or not isinstance(entry, Iterable)


def _key(label: str) -> str:
    return " ".join(label.split()).casefold()

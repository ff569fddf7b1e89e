"""The same label written in several ways: found, warned of, and made one.

Two labels are one, differently spelled, where they differ in nothing but case, blanks, the form of
their Unicode characters (composed or not, full width or half) or characters that nobody sees.
"""

import re
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from retrieval import InputError, first_few

# Characters that take no room: formats (zero-width ones, soft hyphens) are a category of Unicode,
# these are the fillers and selectors that are not.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_LISTS = (list, tuple, set, frozenset, np.ndarray)

_WHAT = "case, blanks, Unicode form or invisible characters"


class LabelSpellingWarning(UserWarning):
    """Labels differ in nothing but their spelling: case, blanks, Unicode form, what is unseen.

    Examples among themselves then count as different labels; labels in words take the spelling of
    the examples.
    """


def spelling_key(label: str) -> str:
    """Return what all spellings of a label have in common.

    That is its caseless form of Unicode (toNFKC_Casefold, The Unicode Standard, 3.13), with one
    blank between words.
    """
    if label.isascii():
        return " ".join(label.split()).casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    seen = (one for one in _UNSEEN.sub("", folded) if unicodedata.category(one) != "Cf")
    return " ".join("".join(seen).split())


def similar_spellings(y: Iterable[Any]) -> list[list[str]]:
    """Group the labels that differ in nothing but their spelling.

    Args:
        y: Labels, or lists of labels. Blanks around a label never count. What is not a string is
            passed over.

    Returns:
        The groups of two or more spellings, sorted; in a group the most frequent spelling first,
        equally frequent ones in sort order.
    """
    return sorted(spellings for spellings in _spellings(y).values() if len(spellings) > 1)


def normalize_labels(y: Iterable[Any], known: Iterable[Any] = ()) -> list[Any]:
    """Give labels that differ in nothing but their spelling the most frequent one.

    They differ in case, blanks, Unicode form (composed or not, full width) or characters that
    nobody sees, such as zero-width ones.

    Args:
        y: Labels, or lists of labels. What is not a string, missing labels included, is kept.
        known: Labels whose spelling is taken in place of the most frequent one.

    Returns:
        The labels in the order given, without blanks around them; where y holds lists, lists, a
        label at most once in each.

    Raises:
        InputError: `y` is a single string, or nothing that has entries.
    """
    is_one = isinstance(y, np.ndarray) and not y.ndim
    if is_one or isinstance(y, (str, bytes, Mapping, pd.DataFrame)) or not isinstance(y, Iterable):
        raise InputError(f"y must be labels, one for each item, got {type(y).__name__}")
    entries, known = list(y), list(known)
    for row, entry in enumerate(entries, start=1):
        is_flat = all(_is_label(one) and isinstance(one, Hashable) for one in _each([entry]))
        if not is_flat:
            raise InputError(f"y: row {row} is neither a label nor a list of labels: {entry!r}")
    chosen = {key: spellings[0] for key, spellings in _spellings(entries).items()}
    chosen |= {key: spellings[0] for key, spellings in _spellings(known).items()}
    exact = {label.strip() for label in _each(known) if isinstance(label, str)}

    def normalized(label: Any) -> Any:
        if not isinstance(label, str):
            return label
        return label.strip() if label.strip() in exact else chosen[spelling_key(label)]

    return [
        normalized(entry) if _is_label(entry) else list(dict.fromkeys(map(normalized, entry)))
        for entry in entries
    ]


def spelled_like(label: str, known: Iterable[Any]) -> str | None:
    """Return the known label of which this one is another spelling; None where there is none."""
    key = spelling_key(label)
    return next(
        (
            one
            for one in known
            if isinstance(one, str) and one != label and spelling_key(one) == key
        ),
        None,
    )


def described_as_known(
    described: Mapping[str, Sequence[str]], known: Iterable[Any], *, every: bool = False
) -> dict[str, list[str]]:
    """Give labels in words the spelling that the labels of the examples have.

    Args:
        described: Label → the texts that describe it.
        known: Labels of the examples, or lists of labels.
        every: Make those one, too, that no example has and that differ only in spelling.

    Returns:
        The same; where several were spellings of one label, it has the texts of all.
    """
    if every:
        names = normalize_labels(list(described), known)
    else:
        spellings = _spellings(known)
        there = [spellings.get(spelling_key(name), [name]) for name in described]
        names = [
            name if name in several else several[0]
            for name, several in zip(described, there, strict=True)
        ]
    spelled: dict[str, list[str]] = {}
    for name, texts in zip(names, described.values(), strict=True):
        spelled.setdefault(name, []).extend(texts)
    return spelled


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
        f"labels differ in nothing but {_WHAT} and count as different ones: {shown}. "
        "normalize_labels=True, or classifiers.normalize_labels(y), makes them one",
        LabelSpellingWarning,
        stacklevel=stacklevel,
    )


def warn_of_other_spellings(
    given: Iterable[str], known: Iterable[Any], *, stacklevel: int = 2
) -> None:
    """Warn that labels were given the spelling of those that are known.

    Args:
        given: The labels as they were spelled.
        known: Labels of which some are other spellings.
        stacklevel: As in `warn_of_similar_spellings`.
    """
    spellings = _spellings(known)
    pairs = [
        f"{name!r} is {there[0]!r}"
        for name in dict.fromkeys(given)
        if (there := spellings.get(spelling_key(name))) and name not in there
    ]
    if not pairs:
        return
    warnings.warn(
        f"labels are spelled otherwise than those known (in {_WHAT}) and are taken for these: "
        f"{'; '.join(first_few(pairs))}. normalize_labels=True does so without a word",
        LabelSpellingWarning,
        stacklevel=stacklevel,
    )


def _spellings(y: Iterable[Any]) -> dict[str, list[str]]:
    """Map what a label is, however spelled, to its spellings, the most frequent first."""
    counts = Counter(label.strip() for label in _each(y) if isinstance(label, str))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups[spelling_key(label)].append(label)
    return groups


def _each(y: Iterable[Any]) -> Iterator[Any]:
    for entry in y:
        if _is_label(entry):
            yield entry
        else:
            yield from entry


def _is_label(entry: Any) -> bool:
    return not isinstance(entry, _LISTS) or (isinstance(entry, np.ndarray) and not entry.ndim)

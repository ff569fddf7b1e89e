"""How much the picture of an item counts beside its text: learned, and judged by held-out items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from retrieval.arguments import require_count
from retrieval.encoding.adaptation.gate import (
    Fold,
    Gain,
    Positions,
    Scores,
    Vectors,
    compare,
    make_folds,
    nearest,
    scores,
)
from retrieval.encoding.encoder import Encoder
from retrieval.errors import InputError

_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_TEXT, _PICTURE = 0.0, 1.0  # weights at which only one of the two is left


@dataclass(frozen=True)
class Fusion:
    """What text and pictures are worth, alone and together, on items that were held out.

    Attributes:
        weight: Of the pictures, learned from all items; what is left of 1 is the text's.
        accuracy: Of the neighbors' votes with text and picture; in each fold the weight is one that
            was learned from the other folds alone.
        text_accuracy: With the text alone.
        picture_accuracy: With the picture alone.
        over_text: What both have over the text alone, with its paired interval.
        over_picture: The same over the picture alone.
        name: Of the encoder to take: of both where they are better than each for sure, else of the
            better one of the two.
    """

    weight: float
    accuracy: float
    text_accuracy: float
    picture_accuracy: float
    over_text: Gain
    over_picture: Gain
    name: str

    def __str__(self) -> str:
        """Say what was found, in a line."""
        text, picture = (
            f"{gain.accuracy:+.1%} [{gain.interval[0]:+.1%}, {gain.interval[1]:+.1%}]"
            for gain in (self.over_text, self.over_picture)
        )
        return (
            f"text and picture {self.accuracy:.1%} (picture's weight {self.weight:g}): "
            f"{text} over the text's {self.text_accuracy:.1%}, "
            f"{picture} over the picture's {self.picture_accuracy:.1%}; take {self.name!r}"
        )


def weigh_pictures(
    encoder: Encoder,
    contents: Sequence[str],
    labels: Sequence[Any],
    *,
    groups: Sequence[Any] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Fusion:
    """Learn how much pictures count beside texts, and whether they are worth having.

    Args:
        encoder: Of two, ``"all-MiniLM-L6-v2 + efficientnet-lite2"`` for example; its own weight
            does not matter.
        contents: n texts with pictures in them (`read_pictures`); some may have only one of both.
        labels: n labels.
        groups: n names of what must not be split between learning and judging, such as products of
            one style; None: each item by itself.
        folds: How many.
        seed: Of the folds and the bootstrap.

    Raises:
        InputError: The encoder is not one of text and pictures, or there is too little to judge by.
    """
    require_count(folds, "folds", least=2)
    if encoder.parts is None:
        raise InputError(f"encoder {encoder.name!r} is not two; name one as 'TEXT + PICTURES'")
    if len(labels) != len(contents):
        raise InputError(f"{len(labels)} labels for {len(contents)} items")
    codes = np.asarray(pd.factorize(np.asarray(labels, dtype=object))[0], dtype=np.int64)
    own = np.arange(len(codes)) if groups is None else pd.factorize(np.asarray(groups))[0]
    whole = np.asarray(own, dtype=np.int64)
    dealt = make_folds(codes, whole, folds, seed)
    if not dealt:
        raise InputError("there are no two items of a label to judge by")
    parts = _parted(encoder.encode(list(contents)), encoder.parts[0].dim)
    found = _out_of_fold(parts, codes, whole, dealt, seed)
    text, picture = (_scored(parts, one, codes, dealt) for one in (_TEXT, _PICTURE))
    weight = _best(parts, codes, dealt)
    over_text, over_picture = (compare(found, one, whole, seed) for one in (text, picture))
    names = [one.name for one in encoder.parts]
    better = names[0] if text.accuracy >= picture.accuracy else names[1]
    is_both = over_text.is_better and over_picture.is_better
    name = f"{names[0]} + {weight:g} {names[1]}" if is_both else better
    accuracies = (found.accuracy, text.accuracy, picture.accuracy)
    return Fusion(weight, *accuracies, over_text, over_picture, name)


def _parted(vectors: Vectors, dim: int) -> tuple[Vectors, Vectors]:
    """Return the two vectors of each item, of length 1, or 0 where it has none."""
    text, picture = vectors[:, :dim], vectors[:, dim:]
    return _unit(text), _unit(picture)


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Vectors = (vectors / np.maximum(length, 1e-9)).astype(np.float32)
    return made


def _joined(parts: tuple[Vectors, Vectors], weight: float) -> Vectors:
    text, picture = parts
    return _unit(np.hstack([text * np.sqrt(1 - weight), picture * np.sqrt(weight)]))


def _scored(
    parts: tuple[Vectors, Vectors], weight: float, labels: Positions, folds: Sequence[Fold]
) -> Scores:
    vectors = _joined(parts, weight)
    near = [nearest(one, vectors[one.judged], vectors[one.learned], labels) for one in folds]
    return scores(near, labels)


def _best(parts: tuple[Vectors, Vectors], labels: Positions, folds: Sequence[Fold]) -> float:
    return min(_WEIGHTS, key=lambda weight: _scored(parts, weight, labels, folds).loss)


def _out_of_fold(
    parts: tuple[Vectors, Vectors],
    labels: Positions,
    groups: Positions,
    folds: Sequence[Fold],
    seed: int,
) -> Scores:
    """Judge each fold at the weight that is the best among the others' items."""
    near = []
    for fold in folds:
        inner = make_folds(labels[fold.learned], groups[fold.learned], len(folds), seed)
        its = tuple(one[fold.learned] for one in parts)
        weight = _best((its[0], its[1]), labels[fold.learned], inner) if inner else 0.5
        vectors = _joined(parts, weight)
        near.append(nearest(fold, vectors[fold.judged], vectors[fold.learned], labels))
    return scores(near, labels)

"""The ways to tune that the ladder tries: what each costs, makes of held-out texts, and writes.

What they learn with takes seconds to load, so that it is imported where it is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from retrieval.encoding.adaptation.folder import CARD, write_mapped
from retrieval.encoding.adaptation.gate import Fold, Positions, Vectors
from retrieval.encoding.adaptation.ladder.report import Method
from retrieval.encoding.encoder import Encoder
from retrieval.files import replacing

if TYPE_CHECKING:
    from retrieval.encoding.adaptation.linear_map import FittedMap

_MANY = 3_000  # texts of which one fold is enough to judge by


@dataclass(frozen=True)
class Texts:
    """Texts with the vectors that the encoder as it is makes of them.

    Attributes:
        texts: n texts.
        vectors: (n, dim) unit vectors.
    """

    texts: list[str]
    vectors: Vectors

    def of(self, rows: Positions) -> Texts:
        """Return some of them."""
        return Texts([self.texts[one] for one in rows.tolist()], self.vectors[rows])

    def __add__(self, other: Texts) -> Texts:
        """Return these and others."""
        return Texts(self.texts + other.texts, np.concatenate([self.vectors, other.vectors]))


@dataclass(frozen=True)
class Examples:
    """What is tuned on.

    Attributes:
        texts: n distinct pairs of text and label.
        names: The labels, sorted.
        labels: (n,) number of each text's label.
        groups: (n,) number of each text's group.
        described: Label → its name in words, or its description.
        vectors: (n, dim) unit vectors of the texts.
        anchors: (n_labels, dim) unit vectors of the labels in words.
        unlabeled: Texts without a label, none of them among `texts`; may be none.
    """

    texts: list[str]
    names: list[str]
    labels: Positions
    groups: Positions
    described: Mapping[str, str]
    vectors: Vectors
    anchors: Vectors
    unlabeled: Texts

    def of(self, rows: Positions) -> Texts:
        """Return some of the labeled texts."""
        return Texts(self.texts, self.vectors).of(rows)

    @property
    def all_rows(self) -> Positions:
        """The positions of all labeled texts."""
        return np.arange(len(self.texts))

    @property
    def words(self) -> Texts:
        """The labels in words, by number."""
        return Texts([self.described[name] for name in self.names], self.anchors)

    def labels_of(self, rows: Positions) -> list[str]:
        """Return the labels of some of them, by name."""
        return self.named(self.labels[rows])

    def named(self, numbers: Positions) -> list[str]:
        """Return labels by name."""
        return [self.names[one] for one in numbers.tolist()]


@dataclass(frozen=True)
class Guessed:
    """Texts without a label, as a tuned encoder labels them.

    Attributes:
        texts: m of them, those it is sure of.
        labels: (m,) number of the label it gives each.
    """

    texts: Texts
    labels: Positions


@dataclass(frozen=True)
class Costs:
    """What a training is expected to take.

    Attributes:
        seconds: Of one training, on all texts.
        memory: Bytes, at the peak.
    """

    seconds: float
    memory: int


Embed = Callable[[Texts], Vectors]
"""A tuned encoder: makes unit vectors (n, dim) of n texts."""


class Way(Protocol):
    """A way to tune."""

    method: Method

    def folds(self, deals: list[list[Fold]]) -> list[Fold]:
        """Return in which folds it is tried."""
        ...

    def costs(self) -> Costs:
        """Measure what a training takes, by a small part of it."""
        ...

    def tuned(self, rows: Positions) -> Embed:
        """Train on some of the examples."""
        ...

    def write(self, out: Path, card: str, budget_s: float | None) -> None:
        """Train on all, and write the tuned encoder's folder, with its model card."""
        ...


class AsItIs:
    """The encoder as it is."""

    method: Method = "frozen"

    def tuned(self, rows: Positions) -> Embed:
        """Return the vectors that are there."""
        return lambda texts: texts.vectors


class ByMap:
    """A linear map of the encoder's vectors."""

    method: Method = "map"

    def __init__(
        self, encoder: Encoder, examples: Examples, seed: int, progress: bool | None
    ) -> None:
        self._encoder, self._examples = encoder, examples
        self._seed, self._progress = seed, progress

    def folds(self, deals: list[list[Fold]]) -> list[Fold]:
        """Return those of all deals: a map takes seconds."""
        return [fold for deal in deals for fold in deal]

    def costs(self, n_guessed: int = 0) -> Costs:
        """Time a few steps."""
        from retrieval.encoding.adaptation.linear_map import map_work, unit_of_work

        n, dim = self._examples.vectors.shape
        n += n_guessed
        unit = unit_of_work(dim, len(self._examples.names))
        return Costs(unit * map_work(n), 4 * (4 * n * dim + 40 * dim * dim))

    def tuned(self, rows: Positions, guessed: Guessed | None = None) -> Embed:
        """Fit a map to some of the examples, and to guesses."""
        from retrieval.encoding.adaptation.linear_map import apply

        matrix = self._fit(rows, guessed).matrix
        return lambda texts: apply(matrix, texts.vectors)

    def write(
        self, out: Path, card: str, budget_s: float | None, guessed: Guessed | None = None
    ) -> None:
        """Fit it to all, and put it behind the encoder."""
        fitted = self._fit(self._examples.all_rows, guessed)
        write_mapped(out, self._encoder, fitted.matrix, card)

    def _fit(self, rows: Positions, guessed: Guessed | None) -> FittedMap:
        from retrieval.encoding.adaptation.linear_map import fit_map

        held = self._examples
        vectors, labels, groups = held.vectors[rows], held.labels[rows], held.groups[rows]
        if guessed is not None:
            alone = held.groups.max() + 1 + np.arange(len(guessed.labels))
            vectors = np.concatenate([vectors, guessed.texts.vectors])
            labels, groups = np.r_[labels, guessed.labels], np.r_[groups, alone]
        return fit_map(
            vectors,
            labels,
            held.anchors,
            groups,
            seed=self._seed,
            stops_early=guessed is None,
            progress=self._progress,
        )


class ByWeights:
    """The weights of the encoder, all of them or by narrow additions.

    What a training has come to is kept in `work`: called again alike after it was killed, it goes
    on from there, and a fold that was finished is not trained again. Whoever calls removes the
    folder in the end.
    """

    def __init__(
        self,
        method: Literal["lora", "full"],
        encoder: Encoder,
        examples: Examples,
        seed: int,
        progress: bool | None,
        work: Path,
    ) -> None:
        self.method: Method = method
        self._how, self._encoder, self._examples = method, encoder, examples
        self._seed, self._progress = seed, progress
        self._work = work / f"{method}-{_mark(encoder, examples, seed)}"

    def folds(self, deals: list[list[Fold]]) -> list[Fold]:
        """Return one where it alone holds enough to judge by: a training takes minutes."""
        return deals[0] if len(self._examples.texts) < _MANY else deals[0][:1]

    def costs(self, n_guessed: int = 0) -> Costs:
        """Time a few steps."""
        from retrieval.encoding.adaptation.cost import probe

        more = self._examples.unlabeled.texts[:n_guessed]
        cost = probe(self._encoder, self._examples.texts + more, self._how)
        return Costs(cost.seconds, cost.memory_bytes)

    def tuned(self, rows: Positions, guessed: Guessed | None = None) -> Embed:
        """Train on some of the examples, and on guesses."""
        told = rows.tobytes() + b"".join(_told(guessed))
        place = self._work / sha256(told).hexdigest()[:16]
        if not place.exists():
            self._train(rows, guessed, place, None)
        encoder = _encoder_at(place, self._encoder)
        return lambda texts: encoder.encode(texts.texts)

    def write(
        self, out: Path, card: str, budget_s: float | None, guessed: Guessed | None = None
    ) -> None:
        """Train on all."""
        self._train(self._examples.all_rows, guessed, out, budget_s)
        with replacing(out / CARD) as path:
            path.write_text(card, encoding="utf-8")

    def _train(
        self, rows: Positions, guessed: Guessed | None, out: Path, budget_s: float | None
    ) -> None:
        from retrieval.encoding.adaptation.fine_tuning import fine_tune

        held = self._examples
        fine_tune(
            self._encoder,
            held.of(rows).texts,
            held.labels_of(rows),
            method=self._how,
            out=out,
            label_texts=held.described,
            groups=held.groups[rows].tolist(),
            guessed=None
            if guessed is None
            else dict(zip(guessed.texts.texts, held.named(guessed.labels), strict=True)),
            seed=self._seed,
            budget_s=budget_s,
            checkpoint=self._work / f"{out.name}.checkpoint",
            progress=self._progress,
        )


def _told(guessed: Guessed | None) -> list[bytes]:
    if guessed is None:
        return []
    return [json.dumps(guessed.texts.texts).encode(), guessed.labels.tobytes()]


def _mark(encoder: Encoder, examples: Examples, seed: int) -> str:
    """Return what tells trainings of other examples apart."""
    told = [
        encoder.identity.as_dict(),
        examples.texts,
        examples.labels_of(examples.all_rows),
        examples.groups.tolist(),
        dict(examples.described),
        seed,
    ]
    return sha256(json.dumps(told).encode()).hexdigest()[:16]


def _encoder_at(folder: Path, like: Encoder) -> Encoder:
    """Open an encoder for once: as another one computes, its vectors are not kept."""
    return Encoder(
        str(folder),
        backend=like.identity.backend,  # type: ignore[arg-type]
        precision=like.precision,
        batch_size=like.batch_size,
        device=like.device,
        cache_dir=False,
    )

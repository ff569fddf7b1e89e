"""The ways to tune that the ladder tries: what each costs, makes of held-out texts, and writes.

What they learn with takes seconds to load, so that it is imported where it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """

    texts: list[str]
    names: list[str]
    labels: Positions
    groups: Positions
    described: Mapping[str, str]
    vectors: Vectors
    anchors: Vectors

    def labels_of(self, rows: Positions) -> list[str]:
        """Return the labels of some texts, by name."""
        return [self.names[one] for one in self.labels[rows].tolist()]

    def texts_of(self, rows: Positions) -> list[str]:
        """Return some texts."""
        return [self.texts[one] for one in rows.tolist()]


@dataclass(frozen=True)
class Costs:
    """What a training is expected to take.

    Attributes:
        seconds: Of one training, on all texts.
        memory: Bytes, at the peak.
    """

    seconds: float
    memory: int


class Way(Protocol):
    """A way to tune."""

    method: Method

    def turns(self) -> int | None:
        """Return in how many folds it is tried; None: in all."""
        ...

    def costs(self) -> Costs:
        """Measure what a training takes, by a small part of it."""
        ...

    def held_out(self, fold: Fold) -> tuple[Vectors, Vectors]:
        """Train on what a fold learns from; return vectors of the judged and of the learned."""
        ...

    def write(self, out: Path, card: str, budget_s: float | None) -> None:
        """Train on all, and write the tuned encoder's folder, with its model card."""
        ...


class AsItIs:
    """The encoder as it is."""

    method: Method = "frozen"

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def held_out(self, fold: Fold) -> tuple[Vectors, Vectors]:
        """Return its vectors."""
        return self._examples.vectors[fold.judged], self._examples.vectors[fold.learned]


class ByMap:
    """A linear map of the encoder's vectors."""

    method: Method = "map"

    def __init__(
        self, encoder: Encoder, examples: Examples, seed: int, progress: bool | None
    ) -> None:
        self._encoder, self._examples = encoder, examples
        self._seed, self._progress = seed, progress

    def turns(self) -> int | None:
        """Return None: in all."""
        return None

    def costs(self) -> Costs:
        """Time a few steps."""
        from retrieval.encoding.adaptation.linear_map import map_work, unit_of_work

        n, dim = self._examples.vectors.shape
        unit = unit_of_work(dim, len(self._examples.names))
        return Costs(unit * map_work(n), 4 * (4 * n * dim + 40 * dim * dim))

    def held_out(self, fold: Fold) -> tuple[Vectors, Vectors]:
        """Fit a map and return what it makes of the vectors."""
        from retrieval.encoding.adaptation.linear_map import apply

        matrix, vectors = self._fit(fold.learned).matrix, self._examples.vectors
        return apply(matrix, vectors[fold.judged]), apply(matrix, vectors[fold.learned])

    def write(self, out: Path, card: str, budget_s: float | None) -> None:
        """Fit it to all, and put it behind the encoder."""
        fitted = self._fit(np.arange(len(self._examples.texts)))
        write_mapped(out, self._encoder, fitted.matrix, card)

    def _fit(self, rows: Positions) -> FittedMap:
        from retrieval.encoding.adaptation.linear_map import fit_map

        held = self._examples
        return fit_map(
            held.vectors[rows],
            held.labels[rows],
            held.anchors,
            held.groups[rows],
            seed=self._seed,
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

    def turns(self) -> int | None:
        """Return one where a fold alone holds enough to judge by: a training takes minutes."""
        return None if len(self._examples.texts) < _MANY else 1

    def costs(self) -> Costs:
        """Time a few steps."""
        from retrieval.encoding.adaptation.cost import probe

        cost = probe(self._encoder, self._examples.texts, self._how)
        return Costs(cost.seconds, cost.memory_bytes)

    def held_out(self, fold: Fold) -> tuple[Vectors, Vectors]:
        """Train on what a fold learns from, and encode both parts."""
        place = self._work / sha256(fold.learned.tobytes()).hexdigest()[:16]
        if not place.exists():
            self._train(fold.learned, place, None)
        tuned = _encoder_at(place, self._encoder)
        judged, learned = map(self._examples.texts_of, (fold.judged, fold.learned))
        return tuned.encode(judged), tuned.encode(learned)

    def write(self, out: Path, card: str, budget_s: float | None) -> None:
        """Train on all."""
        self._train(np.arange(len(self._examples.texts)), out, budget_s)
        with replacing(out / CARD) as path:
            path.write_text(card, encoding="utf-8")

    def _train(self, rows: Positions, out: Path, budget_s: float | None) -> None:
        from retrieval.encoding.adaptation.fine_tuning import fine_tune

        held = self._examples
        fine_tune(
            self._encoder,
            held.texts_of(rows),
            held.labels_of(rows),
            method=self._how,
            out=out,
            label_texts=held.described,
            groups=held.groups[rows].tolist(),
            seed=self._seed,
            budget_s=budget_s,
            checkpoint=self._work / f"{out.name}.checkpoint",
            progress=self._progress,
        )


def _mark(encoder: Encoder, examples: Examples, seed: int) -> str:
    """Return what tells trainings of other examples apart."""
    told = [
        encoder.identity.as_dict(),
        examples.texts,
        examples.labels_of(np.arange(len(examples.texts))),
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

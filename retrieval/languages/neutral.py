"""Take out of an encoder's vectors what tells the language, learned from texts without labels.

The means of the languages span the directions in which these differ; vectors are projected onto
what is left (Yang et al., "A Simple and Effective Method To Eliminate the Self Language Bias in
Multilingual Representations", EMNLP 2021). It is a linear map: afterwards no language of a text has
to be known, and vectors in the cache are not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieval.encoding.adaptation.folder import check_out, check_tunable, write_mapped
from retrieval.encoding.encoder import Encoder
from retrieval.errors import InputError
from retrieval.languages.codes import UNDETERMINED
from retrieval.languages.detection import detect_languages
from retrieval.languages.preference import LanguagePreference, language_preference

_FEWEST = 30
"""Texts of a language that its mean is taken of; others have no say."""


@dataclass(frozen=True)
class Neutralized:
    """What was learned, measured on the half of the texts that it was not learned from.

    Attributes:
        before: How far neighbors go by language.
        after: The same with the map.
        languages: Those whose means were taken out.
        is_written: Whether there is an encoder: only where neighbors go by language less.
    """

    before: LanguagePreference
    after: LanguagePreference
    languages: tuple[str, ...]
    is_written: bool


def neutralize_languages(
    encoder: Encoder,
    texts: Sequence[str],
    languages: Sequence[str] | None = None,
    *,
    out: str | Path,
    overwrite: bool = False,
    seed: int = 0,
) -> Neutralized:
    """Write an encoder whose neighbors do not go by language, if that can be learned.

    The languages should have texts about the same things: what the German part of a catalogue is
    about is else taken for German.

    Args:
        encoder: One whose vectors are all there, not an endpoint's.
        texts: n texts in two languages or more; labels are not needed.
        languages: (n,) the language of each; None: they are told from the texts.
        out: Folder of the new encoder; for `Encoder`.
        overwrite: Whether a tuned encoder that lies there may be replaced.
        seed: Of the half that is held out.

    Raises:
        InputError: Fewer than two languages have sixty texts, or the folder is taken.
    """
    check_tunable(encoder)
    check_out(Path(out), overwrite=overwrite)
    of = np.array(detect_languages(texts) if languages is None else list(languages), dtype=object)
    if len(of) != len(texts):
        raise InputError(f"{len(of)} languages for {len(texts)} texts")
    names, counts = np.unique(of[of != UNDETERMINED].astype(str), return_counts=True)
    kept = tuple(names[counts >= 2 * _FEWEST].tolist())
    if len(kept) < 2:
        raise InputError(
            f"two languages with {2 * _FEWEST} texts each are needed, there are: "
            + (", ".join(f"{a} ({b})" for a, b in zip(names, counts, strict=True)) or "none")
        )
    some = np.flatnonzero(np.isin(of.astype(str), kept))
    vectors, of = encoder.encode([texts[one] for one in some.tolist()]), of[some].astype(str)
    is_held = np.random.default_rng(seed).random(len(of)) < 0.5
    held, tongue = vectors[is_held], of[is_held].tolist()
    before = language_preference(held, tongue)
    made = held @ _projection(vectors[~is_held], of[~is_held])
    after = language_preference(made / np.linalg.norm(made, axis=1, keepdims=True), tongue)
    is_better = after.share < before.share
    if is_better:
        card = f"Vectors of {encoder.name} without the means of {', '.join(kept)}.\n"
        write_mapped(Path(out), encoder, _projection(vectors, of), card)
    return Neutralized(before, after, kept, is_better)


def _projection(
    vectors: npt.NDArray[np.float32], languages: npt.NDArray[np.str_]
) -> npt.NDArray[np.float32]:
    """Return the projection (d, d) onto what the means of the languages do not differ in."""
    means = np.array(
        [vectors[languages == one].mean(axis=0, dtype=np.float64) for one in np.unique(languages)]
    )
    _, _, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    directions = directions[: len(means) - 1]
    projection = np.eye(vectors.shape[1]) - directions.T @ directions
    return np.ascontiguousarray(projection, dtype=np.float32)

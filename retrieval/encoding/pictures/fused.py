"""Two encoders as one: the first reads an item's text, the second its pictures; or both pictures.

The two vectors stand apart in one, first the text's numbers, then the pictures', so that whoever
learns from vectors weighs each number of either by itself. Cosines of such vectors are weighted
means of the two cosines. Where an item has only one of the two, the other's numbers are zero, as
are those of the average picture: it answers by what it has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import numpy as np

from retrieval.encoding.backends import Backend
from retrieval.encoding.reading import Reading
from retrieval.encoding.tokens import unmeasured
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import InputError
from retrieval.pictures.content import as_word, has_picture, pictures_of, text_of

BACKEND = "fused"
_NAME = re.compile(r"(?P<text>.+?) \+ (?:(?P<weight>0?\.\d+) )?(?P<picture>.+)")
_HALF = 0.5

ReadContents = Callable[[list[str]], Reading]


def fused_parts(name: str) -> tuple[str, str, float] | None:
    """Return what ``"TEXT + 0.3 PICTURES"`` names: two encoders, and the weight of the second.

    Args:
        name: Of an encoder. Without a number both count alike.

    Returns:
        None where it names one encoder.

    Raises:
        InputError: The weight is none.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    weight = float(found["weight"] or _HALF)
    if not 0 < weight < 1:
        raise InputError(f"encoder {name!r}: the weight of pictures is between 0 and 1")
    return found["text"], found["picture"], weight


def fused_identity(
    name: str, text: EncoderIdentity, picture: EncoderIdentity, weight: float
) -> EncoderIdentity:
    """Identify two encoders as one: other parts, or another weight, make other vectors."""
    parts = f"{text.revision} {picture.revision} {weight:g}"
    revision = hashlib.sha256(parts.encode()).hexdigest()[:16]
    return EncoderIdentity(name, revision, BACKEND, text.dim + picture.dim)


def fused_backend(
    text: ReadContents,
    picture: ReadContents,
    dims: tuple[int, int],
    weight: float,
    *,
    both_see: bool = False,
) -> Backend:
    """Make the engine of two encoders.

    Args:
        text: Reads texts.
        picture: Reads pictures.
        dims: Length of the vectors of each.
        weight: Of the pictures' cosine; the text's is what is left of 1.
        both_see: Whether the first reads pictures, too.
    """

    def read(contents: list[str]) -> Reading:
        vectors = np.zeros((len(contents), sum(dims)), dtype=np.float32)
        readable, cut = np.zeros((2, len(contents)), dtype=bool)
        first = contents if both_see else [text_of(one) for one in contents]
        said = [row for row, one in enumerate(first) if one.strip()]
        if said:
            reading = text([first[row] for row in said])
            # What cannot be read tells nothing beside a picture.
            told = np.where(reading.readable, np.sqrt(1 - weight), 0)[:, None]
            vectors[said, : dims[0]] = reading.vectors * told
            readable[said], cut[said] = reading.readable, reading.cut
        shown = [row for row, one in enumerate(contents) if has_picture(one)]
        if shown:
            reading = picture([_pictures_alone(contents[row]) for row in shown])
            vectors[shown, dims[0] :] = reading.vectors * np.sqrt(weight)
            readable[shown] |= reading.readable
        vectors[~readable, 0] = 1
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Reading(vectors / length, readable, cut)

    return Backend(lambda contents: read(contents).vectors, unmeasured, read=read)


def _pictures_alone(content: str) -> str:
    return " ".join(map(as_word, pictures_of(content)))

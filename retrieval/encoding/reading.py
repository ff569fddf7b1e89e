"""Which texts an encoder cannot read: what it takes for unknown words, or cuts off."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.errors import first_few

# A warning is due from this share of the texts on; a symbol in one of a thousand does not matter.
_SHARE = 0.01
# Two texts of the same tokens are alike in so many digits, of so many numbers of their vectors.
_DIGITS, _NUMBERS = 4, 32
_SHOWN = 40


class UnreadTextWarning(UserWarning):
    """Texts that the encoder cannot read, reads in part, or cannot tell apart."""


@dataclass(frozen=True)
class Reading:
    """What an encoder made of n texts.

    Attributes:
        vectors: (n, d) float32, unit rows.
        readable: (n,) False where most of what a text holds is unknown to the encoder (another
            script, emoji, a word of more than 100 letters), or it holds nothing: its vector says
            nothing about it. Encoders that take bytes know all.
        cut: (n,) whether the text is as long as the encoder reads, or longer.
    """

    vectors: npt.NDArray[np.float32]
    readable: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ReadingCounts:
    """How many texts could not be read.

    Attributes:
        texts: How many there were.
        unread: Of them, how many the encoder cannot read.
        cut: How many are as long as it reads, or longer.
        alike: How many that it can read have the vector of another one, which reads otherwise.
        offenders: The first of these, or fewer.
    """

    texts: int = 0
    unread: int = 0
    cut: int = 0
    alike: int = 0
    offenders: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str], reading: Reading) -> ReadingCounts:
        """Count what a reading could not read."""
        alike = _alike(texts, reading)
        bad = np.flatnonzero(~reading.readable | reading.cut | alike)
        # The worst first.
        bad = bad[np.argsort(reading.readable[bad], kind="stable")]
        return cls(
            texts=len(texts),
            unread=int((~reading.readable).sum()),
            cut=int(reading.cut.sum()),
            alike=int(alike.sum()),
            offenders=tuple(dict.fromkeys(texts[one][:_SHOWN] for one in bad[:20].tolist())),
        )

    def __add__(self, other: ReadingCounts) -> ReadingCounts:
        """Count both."""
        return ReadingCounts(
            self.texts + other.texts,
            self.unread + other.unread,
            self.cut + other.cut,
            self.alike + other.alike,
            (*self.offenders, *other.offenders)[:20],
        )

    def warn(self, what: str, *, stacklevel: int = 3) -> None:
        """Warn with `UnreadTextWarning` where one text in a hundred is concerned, or more.

        Args:
            what: What the texts are.
            stacklevel: As `warnings.warn` takes it.
        """
        said = {
            "the encoder cannot read (their script or words are unknown to it), which are called "
            "unknown: an encoder for their language can": self.unread,
            "are as long as the encoder reads, or longer: what follows has no say": self.cut,
            "have the same vector as another text that reads otherwise": self.alike,
        }
        least = _SHARE * max(self.texts, 1)
        parts = [
            f"{count:,} ({count / self.texts:.0%}) {words}"
            for words, count in said.items()
            if count and count >= least
        ]
        if parts:
            first = ", ".join(first_few([repr(one) for one in self.offenders]))
            warnings.warn(
                f"{what}: of {self.texts:,} texts " + "; ".join(parts) + f" (first: {first})",
                UnreadTextWarning,
                stacklevel=stacklevel,
            )


def _alike(texts: Sequence[str], reading: Reading) -> npt.NDArray[np.bool_]:
    """Tell which texts that can be read have the vector of another text, (n,).

    Case, accents and blanks are no difference: encoders may leave them out.
    """
    shared: dict[bytes, set[str]] = {}
    keys = np.round(reading.vectors[:, :_NUMBERS], _DIGITS) + np.float32(0.0)  # no minus zero
    held = [key.tobytes() for key in keys]
    said = [_plain(text) for text in texts]
    for key, text in zip(held, said, strict=True):
        shared.setdefault(key, set()).add(text)
    several = np.array([len(shared[key]) > 1 for key in held], dtype=bool)
    alike: npt.NDArray[np.bool_] = several & reading.readable
    return alike


def _plain(text: str) -> str:
    """Return a text without case, accents, blanks and what cannot be seen."""
    folded = "".join(text.casefold().split())
    if folded.isascii():
        return folded
    letters = unicodedata.normalize("NFKD", folded)
    return "".join(one for one in letters if unicodedata.category(one)[0] not in "MC")

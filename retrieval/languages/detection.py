"""Find out the language of texts, without a network: naive Bayes over byte sequences (`py3langid`).

Of two words it is a guess. Where a table has many texts, those that are surely of a language tell
how frequent it is there, and the others are judged with that in mind.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from retrieval.errors import InputError
from retrieval.languages.codes import UNDETERMINED, language_code

# A text is surely of a language from this probability on.
_SURE = 0.9
# What a language that no text is surely of has, in texts, of each text there is.
_UNSEEN = 0.002
_LEAST = 0.4
"""Probability below which a text is of no language."""
_LETTERS = 3


def detect_languages(texts: Sequence[str], *, among: Sequence[str] | None = None) -> list[str]:
    """Return the language of each text, (n,): two letters, or ``und`` where it cannot be told.

    Texts without letters are ``und``. The others are first judged one by one; then again, with the
    shares of the languages that are sure as what to expect.

    Args:
        texts: n texts.
        among: Codes of the languages there can be; None: all 139.

    Raises:
        InputError: The extra that brings the detector is missing, or a code is none it knows.
    """
    distinct = list(dict.fromkeys(texts))
    worded = [one for one in distinct if sum(map(str.isalpha, one)) >= _LETTERS]
    known = _known(among)
    ranked = [_ranked(one, known) for one in worded]
    sure = Counter(one[0][0] for one in ranked if one[0][1] >= _SURE)
    total = sum(sure.values())
    codes = {
        text: _most_probable(said, {code: count / total for code, count in sure.items()})
        for text, said in zip(worded, ranked, strict=True)
    }
    return [codes.get(one, UNDETERMINED) for one in texts]


def _most_probable(said: list[tuple[str, float]], shares: Mapping[str, float]) -> str:
    weighed = {code: probability * (shares.get(code, 0) + _UNSEEN) for code, probability in said}
    best = max(weighed, key=weighed.__getitem__)
    return best if weighed[best] >= _LEAST * sum(weighed.values()) else UNDETERMINED


def _known(among: Sequence[str] | None) -> list[str] | None:
    if among is None:
        return None
    codes = [language_code(one) for one in among]
    there = set(_identifier().labels)
    wrong = [
        one for one, code in zip(among, codes, strict=True) if code is None or code not in there
    ]
    if wrong:
        raise InputError(
            f"no language {wrong[0]!r} can be told; there are: {', '.join(sorted(there))}"
        )
    return [code for code in codes if code is not None]


def _ranked(text: str, among: Collection[str] | None) -> list[tuple[str, float]]:
    """Return the languages of a text with their probabilities, the most probable first."""
    said: list[tuple[str, float]] = _identifier().rank(text)
    if among is None:
        return said
    some = [(code, probability) for code, probability in said if code in among]
    total = sum(probability for _, probability in some) or 1.0
    return [(code, probability / total) for code, probability in some]


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise InputError(
            "languages are told by the package py3langid: pip install 'likewise[multilingual]'"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""Split texts of questions and facts into words, and tell what kind of answer is asked for."""

import re
from functools import lru_cache

import Stemmer
from bm25s.stopwords import STOPWORDS_EN

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
# Words that ask, or that every question about goods has; they match nothing in particular.
_ASKING = (
    "what which who whom whose when where why how does do did is are was were can could will would",
    "should has have had i you we it its s t my your they them their there any these those come",
    "comes get one ones use used item product items products need want tell please",
)
_EMPTY = frozenset(STOPWORDS_EN).union(*(line.split() for line in _ASKING))
_YES_NO = re.compile(r"^\W*(?:is|are|does|do|can|will|has|have|was|could|would|should|did)\b")
_STEMMER = Stemmer.Stemmer("english")
_GRAM = 4  # characters


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


def words_of(text: str) -> list[str]:
    """Return the words and numbers of a text, in lower case; ``32gb`` are two."""
    return _WORD.findall(text.lower())


def terms_of(text: str) -> list[str]:
    """Return the stems of the words that mean something."""
    return [_stem(word) for word in words_of(text) if word not in _EMPTY]


def grams_of(text: str) -> frozenset[str]:
    """Return the runs of characters within a text's words, by which spellings are alike."""
    spaced = f" {' '.join(words_of(text))} "
    return frozenset(spaced[at : at + _GRAM] for at in range(len(spaced) - _GRAM + 1))


def asks_yes_no(question: str) -> bool:
    """Whether a question wants a yes or a no."""
    return bool(_YES_NO.search(question.lower()))

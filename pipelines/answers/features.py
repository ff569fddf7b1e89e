"""Measure how well facts fit a question: by meaning, by words, by names, by kind of value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import bm25s
import numpy as np
import numpy.typing as npt

from pipelines.answers.facts import Fact
from pipelines.answers.words import asks_yes_no, grams_of, terms_of, words_of
from retrieval import Encoder

Floats = npt.NDArray[np.float64]

FEATURES = (
    "dense",  # cosine of the question and the fact as a sentence
    "bm25",  # of name and value
    "bm25_value",  # of the value alone
    "name_covered",  # share of the name's terms that the question has
    "question_covered",  # share of the question's terms that the fact has
    "name_spelled",  # share of the name's runs of characters that the question has
    "name_words",  # how many words the name has
    "field_share",  # log share of items that have the field: what all have is seldom asked for
    "facts",  # log number of facts to choose from
    "yes_no",  # a yes or no, asked for
    "yes_no_unasked",  # a yes or no, where something else is asked for
)
RAREST = 1e-3  # share of items below which a field is no rarer
MOST_FACTS = 50  # more to choose from are counted as so many: the rankers saw no more
_TRUTHS = frozenset(("true", "false", "yes", "no"))


def measure(
    question: str,
    facts: Sequence[Fact],
    dense: npt.NDArray[np.float32],
    field_shares: Mapping[str, float],
) -> Floats:
    """Return the features of some facts as answers to a question.

    Args:
        question: The question.
        facts: n facts of one item.
        dense: (n,) cosines of the question and their sentences.
        field_shares: Field → share of items that have it; one that is missing is rarest.

    Returns:
        (n, features), in the order of `FEATURES`.
    """
    terms = terms_of(question)
    named = [terms_of(one.name) for one in facts]
    valued = [terms_of(one.value) for one in facts]
    asked, grams, is_yes_no = set(terms), grams_of(question), asks_yes_no(question)
    truths = np.array([one.value.lower() in _TRUTHS for one in facts], dtype=np.float64)
    columns: list[npt.ArrayLike] = [
        dense,
        bm25(terms, [a + b for a, b in zip(named, valued, strict=True)]),
        bm25(terms, valued),
        [_share(name, asked) for name in named],
        [_share(terms, {*a, *b}) for a, b in zip(named, valued, strict=True)],
        [_overlap(grams_of(one.name), grams) for one in facts],
        [len(words_of(one.name)) for one in facts],
        [log(max(field_shares.get(one.field, 0.0), RAREST)) for one in facts],
        np.full(len(facts), log(min(max(len(facts), 1), MOST_FACTS))),
        truths * is_yes_no,
        truths * (not is_yes_no),
    ]
    return np.column_stack([np.asarray(one, dtype=np.float64) for one in columns])


def similarities(
    questions: Sequence[str], facts: Sequence[Sequence[Fact]], encoder: Encoder
) -> list[npt.NDArray[np.float32]]:
    """Return the cosines of each question and the sentences of its facts.

    Args:
        questions: n questions.
        facts: n lists of facts.
        encoder: Turns both into vectors.
    """
    sentences = [fact.sentence for some in facts for fact in some]
    if not sentences:
        return [np.empty(0, dtype=np.float32) for _ in facts]
    asked = encoder.encode(list(questions), side="query")
    told = encoder.encode(sentences)
    ends = np.cumsum([len(some) for some in facts])[:-1]
    parts = np.split(told, ends)
    return [part @ one for part, one in zip(parts, asked, strict=True)]


def bm25(terms: Sequence[str], documents: Sequence[Sequence[str]]) -> Floats:
    """Return how well documents fit the terms of a question (Robertson; Lucene's variant).

    Args:
        terms: Of the question.
        documents: n lists of terms; how rare a term is, is counted in them.
    """
    if not any(set(terms).intersection(one) for one in documents):
        return np.zeros(len(documents))
    model = bm25s.BM25()
    model.index([list(one) or [""] for one in documents], show_progress=False)
    known = [term for term in terms if term in model.vocab_dict]
    return np.asarray(model.get_scores(known), dtype=np.float64)


def _share(part: Sequence[str], whole: set[str]) -> float:
    distinct = set(part)
    return len(distinct & whole) / max(len(distinct), 1)


def _overlap(part: frozenset[str], whole: frozenset[str]) -> float:
    return len(part & whole) / max(len(part), 1)

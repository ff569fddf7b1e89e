"""Which labels are probably wrong? Examples that those like them contradict, worst first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from classifiers.arrays import BoolArray, FloatArray, Positions
from classifiers.inputs import LABEL, Labels, Texts, labeled_examples, told_labels
from classifiers.scorers.votes import count_votes, vote_weights
from retrieval import (
    IN_MEMORY,
    TIE_DIGITS,
    Encoder,
    InputError,
    ItemIndex,
    Where,
    item_texts,
    require_count,
    require_kind,
    require_number,
)

# Chosen on BANKING77 with 5 % of the labels flipped, to any label and to that of a near neighbor.
# Results are flat around all of them. Doubt is added to the support of both labels compared, so
# that the noise of small supports does not rank.
_TEMPERATURE = 0.05
_PENALTY = 1.0
_DOUBT = 0.2

# Support of all labels held in memory at a time.
_BATCH_CELLS = 5_000_000


def label_issues(
    X: Texts,
    y: Labels,
    *,
    encoder: Encoder | None = None,
    k: int = 50,
    duplicate_similarity: float = 0.97,
    text: str | Sequence[str] | None = None,
    item_id: str = "item_id",
) -> pd.DataFrame:
    """Rank the examples whose label is in doubt, the most suspicious first.

    Each example is judged by all others and never by itself. Two opinions are averaged: the vote of
    its k nearest neighbors, and a linear least-squares fit of the labels to the vectors, with the
    example left out (Allen, Technometrics 1974). The score compares the support for the given label
    with that of the strongest other one.

    An example is listed if another label has more support than its own, or if it is nearly
    identical to one with another label: of those two at least one is wrong, or their labels mean
    the same. Neither votes on the other, so that third ones tell which it is. A label that only one
    example has finds no support and is judged like any other, so that a right one may be listed.

    Args:
        X: n texts (list, Series), or a DataFrame of items.
        y: n labels: all strings, all integers or all booleans, of at least two kinds.
        encoder: Turns texts into vectors; None for the default one.
        k: How many neighbors vote.
        duplicate_similarity: Cosine similarity from which on two texts are nearly identical. The
            default suits the default encoder: from there on BANKING77 holds the like of "How do I
            get my card?" and "How will I get my card?".
        text: Text columns of a DataFrame; None takes every column but the id.
        item_id: Id column of a DataFrame, if it has one.

    Returns:
        One row a doubtful example, empty where there is none, of columns

        - `row`: position in X; `item_id`: only if X has ids; `text`; `label`: as given.
        - `suggested_label`: the label with the most support. It is the given one where a nearly
          identical example contradicts, but all others agree.
        - `score`: in (0, 1), low is suspicious; below 0.5 another label has more support. It ranks
          and is no probability.
        - `agreement`: share of the neighbors' vote for the given label, in [0, 1]; 1 / number of
          labels where no neighbor may vote.
        - `kind`: "near-duplicate" or "neighbors disagree".
        - `neighbor_row`, `neighbor_text`, `neighbor_label`, `similarity`: the example that shows
          it, of another label: the near-duplicate; else the most similar neighbor with the
          suggested label, or with any other label where none has that one. Missing where all k
          neighbors have the given label.

    Raises:
        InputError: Lengths differ, a text or label is missing, an example has several labels, there
            are fewer than two different ones, or a parameter is out of range.
    """
    require_count(k, "k")
    require_kind(encoder, "encoder", Encoder, or_none=True)
    require_number(duplicate_similarity, "duplicate_similarity", 0, below=1, closed=True)
    examples = labeled_examples(X, told_labels(y, stacklevel=3), text=text, item_id=item_id)
    if not examples.exclusive:
        raise InputError("y holds lists of labels; pass one label for each example")
    if len(examples.classes) < 2:
        only = str(examples.classes[0])
        raise InputError(f"every label in y is {only!r}; it takes two to find one that is wrong")
    texts = item_texts(examples.table, examples.text)
    names = pd.Index([str(label) for label in examples.classes])
    codes = names.get_indexer(pd.Index(examples.table[LABEL]))
    stored = examples.table[LABEL]
    vectors, near = _neighbors_of_each(texts, stored, encoder or Encoder(), min(k, len(texts) - 1))
    partner = _contradicting_duplicate(near, codes, duplicate_similarity)
    judges = near.without_one(partner)
    opinion = _judge(vectors, judges, codes, len(names))
    witness = _witnesses(near, codes, opinion.suggested, partner)

    duplicate = np.asarray(partner.any(axis=1))
    rows = np.flatnonzero(duplicate | (opinion.suggested != codes))
    rows = rows[np.argsort(opinion.score[rows], kind="stable")]
    every, labels = texts.to_numpy(dtype=object), examples.classes[codes]
    issues = pd.DataFrame(
        {
            "row": rows,
            "text": every[rows],
            "label": labels[rows],
            "suggested_label": examples.classes[opinion.suggested[rows]],
            "score": opinion.score[rows],
            "agreement": opinion.agreement[rows],
            "kind": np.where(duplicate[rows], "near-duplicate", "neighbors disagree"),
        }
    )
    if isinstance(X, pd.DataFrame) and item_id in X:
        issues.insert(1, "item_id", X[item_id].to_numpy()[rows])
    return pd.concat([issues, _shown(witness[rows], near, rows, every, labels)], axis=1)


def indexed_issues(
    index: ItemIndex,
    *,
    where: Where | None = None,
    k: int = 50,
    duplicate_similarity: float = 0.97,
) -> pd.DataFrame:
    """Rank the labeled items of an index whose label is in doubt, as `label_issues` does.

    Args:
        index: Keeps one label an item.
        where: Only these items, in doubt or as neighbors.
        k: How many neighbors vote.
        duplicate_similarity: As there.

    Returns:
        `item_id`, `label`, `suggested_label` and `score`, the most suspicious first; empty where
        fewer than two labels are there.
    """
    held = index.read(labeled=True, where=where)
    names = pd.Index(np.unique(held.labels.astype(str))) if len(held) else pd.Index([])
    if len(names) < 2:
        return pd.DataFrame(columns=["item_id", "label", "suggested_label", "score"])
    codes = names.get_indexer(pd.Index(held.labels))
    ids = held.ids.tolist()
    found = index.voters(held.vectors, min(k, len(held) - 1), labeled=True, where=where, ids=ids)
    place = {one: row for row, one in enumerate(ids)}
    rows = [[place.get(one, -1) for one in near] for near in found.ids.tolist()]
    similarity = found.similarity.astype(np.float64)
    near = _Near(np.array(rows, dtype=np.intp), similarity, found.count, found.places)
    partner = _contradicting_duplicate(near, codes, duplicate_similarity)
    opinion = _judge(held.vectors, near.without_one(partner), codes, len(names))
    listed = np.flatnonzero(partner.any(axis=1) | (opinion.suggested != codes))
    listed = listed[np.argsort(opinion.score[listed], kind="stable")]
    return pd.DataFrame(
        {
            "item_id": held.ids[listed],
            "label": held.labels[listed],
            "suggested_label": names.to_numpy()[opinion.suggested[listed]],
            "score": opinion.score[listed],
        }
    )


@dataclass(frozen=True)
class _Near:
    """The k most similar other examples of each example, nearest first, twins of a label once.

    Attributes:
        rows: (n, k) their positions; -1 where there is none.
        similarity: (n, k) cosine similarities; NaN where there is none, or one that may not vote.
        count: (n, k) how many examples each stands for.
        places: (n, k) how many of the k votes it has.
    """

    rows: Positions
    similarity: FloatArray
    count: Positions
    places: FloatArray

    def without_one(self, chosen: BoolArray) -> "_Near":
        """Return the same, one example less where chosen, (n, k)."""
        left = np.where(chosen, 1 - 1 / np.maximum(self.count, 1), 1.0)
        similarity = np.where(left > 0, self.similarity, np.nan)
        return _Near(self.rows, similarity, self.count - chosen, self.places * left)


@dataclass(frozen=True)
class _Opinion:
    """What all others say of each example's label: (n,) each, see `label_issues`."""

    suggested: Positions
    score: FloatArray
    agreement: FloatArray


def _neighbors_of_each(
    texts: pd.Series, labels: pd.Series, encoder: Encoder, k: int
) -> tuple[npt.NDArray[np.float32], _Near]:
    """Embed the texts and search for each among the others, in an index in memory."""
    rows = [str(row) for row in range(len(texts))]
    items = pd.DataFrame({"item_id": rows, "text": texts.to_numpy(dtype=object)})
    items["label"] = labels.to_numpy(dtype=object)
    index = ItemIndex(IN_MEMORY, encoder)
    index.upsert(items, text="text", label="label", source="examples")
    vectors = encoder.encode(items["text"].tolist())
    found = index.voters(vectors, k=k, ids=rows)
    positions = np.where(found.valid, found.ids, "-1").astype(np.intp)
    similarity = found.similarity.astype(np.float64)
    return vectors, _Near(positions, similarity, found.count, found.places)


def _judge(
    vectors: npt.NDArray[np.float32], near: _Near, codes: Positions, n_classes: int
) -> _Opinion:
    """Compare the support for each label with that for the strongest other one."""
    suggested = np.empty(len(codes), dtype=np.intp)
    score, agreement = np.empty(len(codes)), np.empty(len(codes))
    fits = _LeaveOneOutFits(vectors, codes, n_classes)
    size = max(1, _BATCH_CELLS // n_classes)
    for start in range(0, len(codes), size):
        batch = slice(start, start + size)
        given = codes[batch][:, None]
        voters = near.rows[batch]
        weights = vote_weights(near.similarity[batch], _TEMPERATURE, near.places[batch])
        votes = count_votes(weights, np.where(weights > 0, codes[voters], -1), n_classes)
        support = (votes + fits.of(batch)) / 2
        own = np.take_along_axis(support, given, axis=1)[:, 0]
        agreement[batch] = np.take_along_axis(votes, given, axis=1)[:, 0]
        np.put_along_axis(support, given, -1.0, axis=1)
        rival = support.max(axis=1)
        suggested[batch] = np.where(rival > own, support.argmax(axis=1), given[:, 0])
        score[batch] = (own + _DOUBT) / (own + rival + 2 * _DOUBT)
    return _Opinion(suggested, score, agreement)


class _LeaveOneOutFits:
    """Ridge regression of the labels on the vectors, each example predicted by all others.

    The fit without an example follows from the fit with it and the example's leverage, so that
    nothing is fitted more than once.
    """

    def __init__(self, vectors: npt.NDArray[np.float32], codes: Positions, n_classes: int) -> None:
        self._codes = codes
        self._inputs = np.column_stack([vectors, np.ones(len(vectors), dtype=np.float32)])
        gram = (self._inputs.T @ self._inputs).astype(np.float64)
        self._inverse = np.linalg.inv(gram + _PENALTY * np.eye(len(gram)))
        ones = np.ones(len(codes), dtype=np.float32)
        member = csr_array((ones, (codes, np.arange(len(codes)))), shape=(n_classes, len(codes)))
        self._coefficients = self._inverse @ (member @ self._inputs).T

    def of(self, batch: slice) -> FloatArray:
        """Return the fitted membership in each class, (n of the batch, n_classes), in [0, 1]."""
        inputs, given = self._inputs[batch], self._codes[batch][:, None]
        leverage = np.einsum("ij,jk,ik->i", inputs, self._inverse, inputs, optimize=True)[:, None]
        fits: FloatArray = inputs @ self._coefficients
        own = np.take_along_axis(fits, given, axis=1)
        np.put_along_axis(fits, given, own - leverage, axis=1)
        fits /= 1 - leverage
        return fits.clip(0, 1)


def _contradicting_duplicate(near: _Near, codes: Positions, similarity: float) -> BoolArray:
    """Mark the nearest neighbor with another label, (n, k), where it is nearly identical."""
    differs = (near.rows >= 0) & (codes[near.rows] != codes[:, None])
    # Engines differ in the last digits, also on what is identical.
    close = near.similarity.round(TIE_DIGITS) >= similarity
    partner: BoolArray = differs & (differs.cumsum(axis=1) == 1) & close
    return partner


def _witnesses(
    near: _Near, codes: Positions, suggested: Positions, partner: BoolArray
) -> Positions:
    """Choose the neighbor that shows what is wrong: (n,) its rank, -1 where all agree."""
    labels = codes[near.rows]
    differs = (near.rows >= 0) & (labels != codes[:, None])
    backs = differs & (labels == suggested[:, None])
    shows = np.where(backs.any(axis=1, keepdims=True), backs, differs)
    shows = np.where(partner.any(axis=1, keepdims=True), partner, shows)
    return np.where(differs.any(axis=1), shows.argmax(axis=1), -1)


def _shown(
    rank: Positions,
    near: _Near,
    rows: Positions,
    texts: npt.NDArray[np.object_],
    labels: npt.NDArray[np.object_],
) -> pd.DataFrame:
    """Return the columns that show the neighbor of each row listed, missing where rank is -1."""
    neighbor = pd.Series(near.rows[rows, rank]).where(rank >= 0)
    there = neighbor.dropna().astype(np.intp)
    return pd.DataFrame(
        {
            "neighbor_row": neighbor.astype("Int64"),
            "neighbor_text": pd.Series(texts[there], index=there.index, dtype=object),
            "neighbor_label": pd.Series(labels[there], index=there.index, dtype=object),
            "similarity": pd.Series(near.similarity[rows, rank]).where(rank >= 0),
        },
        index=neighbor.index,
    )

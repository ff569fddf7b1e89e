"""What an encoder is tuned for: that the neighbors of a text have its label.

A text is compared with the vectors of all texts, as the index holds them, and with an anchor for
each label, which begins at the label's own words. Its own label's are to be nearer than all others
(supervised contrastive learning, Khosla et al. 2020, with the sum inside the logarithm; a memory of
vectors beside the batch, Wang et al. 2020, "Cross-Batch Memory"). The negatives are the nearest
texts of other labels, mined from the memory anew for each batch; the memory holds a text's vector
as of the last time it was read, so that batches may be of texts of like length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

TEMPERATURE = 0.05
_NEGATIVES = 256  # hard ones, of each text: more change nothing in a softmax this sharp
_PROBE_STEPS = 100
_MOST_PROBED = 20_000_000  # texts times labels, for memory: where there are more, nothing is fitted


@dataclass
class Memory:
    """The vectors of all texts that are learned from, as of when each was last read.

    Attributes:
        vectors: (n, dim) of length 1.
        labels: (n,) the number of each one's label.
    """

    vectors: Tensor
    labels: Tensor


def contrast(vectors: Tensor, rows: Tensor, memory: Memory, anchors: Tensor) -> Tensor:
    """Return how far texts are from where they should be, the mean of a batch.

    Args:
        vectors: (b, dim) of length 1, with gradients.
        rows: (b,) which texts of the memory they are.
        memory: Of all texts; changed to hold `vectors`.
        anchors: (n_labels, dim) of any length.
    """
    labels = memory.labels[rows]
    memory.vectors[rows] = vectors.detach()
    # Pairs within the batch move both of their texts.
    held = memory.vectors.index_copy(0, rows, vectors)
    to_texts = vectors @ held.T / TEMPERATURE
    alike = memory.labels[None, :] == labels[:, None]
    itself = torch.zeros_like(alike)
    itself[torch.arange(len(rows)), rows] = True
    to_anchors = vectors @ normalize(anchors, dim=1).T / TEMPERATURE
    by_anchor = cross_entropy(to_anchors, labels)
    return by_anchor + _by_neighbors(to_texts, alike & ~itself, alike)


def _by_neighbors(similarity: Tensor, positive: Tensor, alike: Tensor) -> Tensor:
    """Contrast the texts that have another one of their label; the others have their anchor."""
    has = positive.any(dim=1)
    if not bool(has.any()):
        return similarity.sum() * 0
    similarity, positive, alike = similarity[has], positive[has], alike[has]
    least = torch.finfo(similarity.dtype).min
    near = similarity.masked_fill(~positive, least).logsumexp(dim=1)
    others = similarity.masked_fill(alike, least)
    hard = others.topk(min(_NEGATIVES, others.shape[1]), dim=1).values
    every = torch.cat([near[:, None], hard], dim=1).logsumexp(dim=1)
    return (every - near).sum() / len(has)


def held_out_loss(vectors: Tensor, labels: Tensor, memory: Memory, anchors: Tensor) -> float:
    """Return the log loss of texts that were held out, by votes of the memory and by anchors."""
    to_texts = vectors @ memory.vectors.T / TEMPERATURE
    votes = torch.full((len(vectors), len(anchors)), -1e4)
    for label in sorted(set(memory.labels.tolist())):
        votes[:, label] = to_texts[:, memory.labels == label].logsumexp(dim=1)
    to_anchors = vectors @ normalize(anchors, dim=1).T / TEMPERATURE
    both = (cross_entropy(votes, labels) + cross_entropy(to_anchors, labels)) / 2
    return float(both)


def first_anchors(names: npt.NDArray[np.float32], memory: Memory, *, weight: float = 1.0) -> Tensor:
    """Return where the anchors begin: at the labels' words and at the texts that have the label.

    They are then fitted to the vectors as they are, so that the encoder is not changed first of all
    for anchors that stand wrong (linear probing before fine-tuning, Kumar et al. 2022).

    Args:
        names: (n_labels, dim) vectors of the labels' names or descriptions.
        memory: Of all texts, as the encoder has them.
        weight: Of the words, in texts.
    """
    sums = torch.from_numpy(np.array(names)) * weight
    sums = sums.index_add(0, memory.labels, memory.vectors)
    anchors = normalize(sums, dim=1).requires_grad_()
    if len(memory.vectors) * len(anchors) > _MOST_PROBED:
        return anchors.detach()
    optimizer = torch.optim.Adam([anchors], lr=0.01)
    for _ in range(_PROBE_STEPS):
        to_anchors = memory.vectors @ normalize(anchors, dim=1).T / TEMPERATURE
        loss = cross_entropy(to_anchors, memory.labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return anchors.detach()

"""What `tune` is given: refused where nothing can be learned from it, else encoded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.arguments import require_choice, require_count, require_number
from retrieval.encoding.adaptation.demand.known_demand import check_demand
from retrieval.encoding.adaptation.gate import FloatArray, Positions
from retrieval.encoding.adaptation.ladder.climb import Clock
from retrieval.encoding.adaptation.ladder.rungs import Examples, Texts
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.reading import ReadingCounts
from retrieval.errors import InputError

METHODS = ("auto", "map", "lora", "full")
_PROBED = 128  # texts encoded to see how long all will take


def check_inputs(
    texts: Sequence[str],
    labels: Sequence[str] | None,
    demand: npt.ArrayLike | None,
    groups: Sequence[object] | None,
    method: str,
    folds: int,
    budget: float | None,
) -> FloatArray | None:
    """Refuse what cannot be tuned on; return demand as an array."""
    require_choice(method, "method", METHODS)
    require_count(folds, "folds", least=2)
    if budget is not None:
        require_number(budget, "budget", 0)
    for name, given in (("labels", labels), ("groups", groups)):
        if given is not None and len(given) != len(texts):
            raise InputError(f"there are {len(texts):,} texts and {len(given):,} {name}")
    sold = None if demand is None else check_demand(demand, len(texts))
    if sold is not None and method not in ("auto", "map"):
        raise InputError(f"method={method!r}: demand teaches a map; take method='map'")
    if labels is None:
        if sold is None:
            raise InputError("tune learns from labels, or from demand: give one of them")
        return sold
    for row, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"label {row} is no text with letters: {label!r}")
    if len(set(labels)) < 2:
        raise InputError(
            f"all {len(texts):,} texts have the same label; to tune takes two labels or more"
            if len(texts)
            else "there are no texts to tune on"
        )
    return sold


def distinct_pairs(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[object] | None
) -> pd.DataFrame:
    """Return each pair of text and label once, with the number of its group."""
    table = pd.DataFrame({"text": list(texts), "label": list(labels)})
    table["group"] = _joined(table["text"], groups)
    return table.drop_duplicates(["text", "label"], ignore_index=True)


def encode_examples(
    encoder: Encoder,
    table: pd.DataFrame,
    unlabeled: list[str],
    label_texts: Mapping[str, str] | None,
    clock: Clock,
    progress: bool | None,
) -> Examples:
    """Encode what is tuned on."""
    numbers, names = pd.factorize(table["label"], sort=True)
    described = {name: _in_words(name, label_texts) for name in names}
    texts = table["text"].tolist()
    _check_budget(encoder, table["text"].drop_duplicates().tolist() + unlabeled, clock)
    reading = encoder.read(texts + unlabeled, progress=progress)
    ReadingCounts.of(texts + unlabeled, reading).warn("texts to tune on", stacklevel=4)
    return Examples(
        texts=texts,
        names=list(names),
        labels=numbers.astype(np.int64),
        groups=table["group"].to_numpy(dtype=np.int64),
        described=described,
        vectors=reading.vectors[: len(texts)],
        anchors=encoder.encode(list(described.values())),
        unlabeled=Texts(unlabeled, reading.vectors[len(texts) :]),
    )


def _check_budget(encoder: Encoder, texts: list[str], clock: Clock) -> None:
    """Refuse, before the work, a budget that encoding alone would use up."""
    if clock.budget is None or len(texts) <= 2 * _PROBED:
        return
    start = time.monotonic()
    encoder.encode(texts[:: len(texts) // _PROBED], progress=False)
    expected = (time.monotonic() - start) * len(texts) / _PROBED
    if not clock.has(expected):
        raise InputError(
            f"budget={clock.budget:g} s is too small: to encode {len(texts):,} texts alone takes "
            f"about {expected:,.0f} s"
        )


def _in_words(label: str, label_texts: Mapping[str, str] | None) -> str:
    said = (label_texts or {}).get(label) or label.replace("_", " ")
    return said if said.strip() else label


def _joined(texts: pd.Series, groups: Sequence[object] | None) -> Positions:
    """Return the number of each text's group; those that share a text are one."""
    by_text = pd.factorize(texts)[0].astype(np.int64)
    if groups is None:
        return by_text
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    by_group = pd.factorize(pd.Series(list(groups), dtype=object), use_na_sentinel=False)[0]
    n_texts, n_groups = by_text.max() + 1, by_group.max() + 1
    size = int(n_texts + n_groups)
    links = coo_array((np.ones(len(by_text)), (by_text, n_texts + by_group)), shape=(size, size))
    joined: Positions = connected_components(links, directed=False)[1][by_text].astype(np.int64)
    return joined

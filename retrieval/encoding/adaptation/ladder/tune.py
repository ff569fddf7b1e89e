"""Tune an encoder on labels or demand: a ladder, climbed where held-out texts say better."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.arguments import require_choice, require_count, require_number
from retrieval.encoding.adaptation.demand.known_demand import check_demand, demand_of
from retrieval.encoding.adaptation.folder import check_out, check_tunable
from retrieval.encoding.adaptation.gate import (
    FloatArray,
    Positions,
    deal_again,
)
from retrieval.encoding.adaptation.ladder.climb import Climb, Clock
from retrieval.encoding.adaptation.ladder.report import TuneReport
from retrieval.encoding.adaptation.ladder.rungs import (
    ByMap,
    ByWeights,
    Examples,
    Texts,
    Way,
)
from retrieval.encoding.adaptation.ladder.self_training import FEWEST, SelfTrained
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.reading import ReadingCounts
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

METHODS = ("auto", "map", "lora", "full")
_LADDER: tuple[Literal["map", "lora", "full"], ...] = ("map", "lora", "full")
_UNLABELED = "item"
_FEW, _DEALS = 1_000, 2  # texts of which so few are held out so often
_PROBED = 128  # texts encoded to see how long all will take


def tune(
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    demand: npt.ArrayLike | None = None,
    *,
    label_texts: Mapping[str, str] | None = None,
    groups: Sequence[object] | None = None,
    unlabeled: Sequence[str] | None = None,
    method: Literal["auto", "map", "lora", "full"] = "auto",
    out: str | Path = "encoder",
    budget: float | None = None,
    folds: int = 3,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool | None = None,
) -> TuneReport:
    """Tune an encoder so that texts of one label become neighbors, if that helps.

    The ways to tune are the rungs of a ladder: the encoder as it is; a linear map behind it, which
    is learned from vectors that are there, so that nothing has to be encoded; narrow additions to
    its weights (LoRA); all its weights. Each is tried on texts that were held out, which the votes
    of their neighbors label; a rung is climbed where it is better than the best one below for sure
    (the 95 % interval of a paired bootstrap over groups lies above 0, or as many are right and the
    log loss is lower by 2 % for sure); above one that is not, the next is tried all the same. What
    each rung will take is logged before it starts.
    Killed and called again alike, trainings of weights go on where they were: until the end they
    are kept beside `out`, in a folder whose name begins with a dot.

    Args:
        encoder: The one to tune; it is not changed. May be a tuned one.
        texts: n texts.
        labels: The label of each; None: it learns from demand alone.
        demand: How each text's item sold: (n,) levels, or (n, d) numbers with the level first, such
            as the shape of its launch; NaN where it is not known. Texts that sold alike become
            neighbors, beside those of one label, by one map; it is kept where held-out groups say
            that one of the two gains and neither loses. Levels are to be relative to the market,
            and as of a moment: `forecasting.past_demand` makes them. None: nothing is known.
        label_texts: Label → its name in words, or a description, for some or all labels: where it
            begins. A label without one begins at its own name.
        groups: (n,) of texts that belong together, such as variants of one product: they are held
            out together. None: each stands alone. Equal texts always belong together.
        unlabeled: Texts without a label, a hundred or more, such as will be asked about. Above the
            map and above all weights stands a rung then that learns from those, too, whose label
            the rung below is sure of. Where demand is learned, they are not used.
        method: ``"auto"``: the whole ladder. ``"map"``, ``"lora"``, ``"full"``: this rung alone,
            against the encoder as it is, and with the unlabeled texts, if any.
        out: Folder of the tuned encoder, a plain sentence-transformers one: it appears whole, or
            not at all where nothing is better than the encoder as it is.
        budget: Seconds that all of it may take; a rung that would take more is not tried. None: any
            number.
        folds: Parts that are held out in turn.
        seed: Of folds and trainings.
        overwrite: Whether a tuned encoder in `out` may be replaced.
        progress: Show progress bars; None shows them for long work only.

    Raises:
        InputError: There is one label only, the entries do not match, `out` holds something, the
            encoder is an endpoint or cuts its vectors, or the budget is too small for any rung.
    """
    has_labels = labels is not None
    labels = [_UNLABELED] * len(texts) if labels is None else labels
    sold = _check(texts, labels if has_labels else None, demand, groups, method, folds, budget)
    require_count(seed, "seed", least=0)
    check_tunable(encoder)
    place = Path(out)
    check_out(place, overwrite=overwrite)
    clock = Clock(budget)
    table = _table(texts, labels, groups)
    others = [] if sold is not None else sorted(set(unlabeled or ()) - set(table["text"]))
    examples = _examples(encoder, table, others, label_texts, clock, progress)
    if sold is not None:
        from retrieval.encoding.adaptation.demand.tuning import tune_by_demand

        return tune_by_demand(
            encoder,
            examples,
            demand_of(examples, texts, labels, sold),
            has_labels=has_labels,
            folds=folds,
            out=place,
            clock=clock,
            seed=seed,
            progress=progress,
        )
    deals = deal_again(examples.labels, examples.groups, folds, seed, most=_FEW, times=_DEALS)
    climb = Climb(examples, deals, clock, seed)
    work = place.absolute().with_name(f".{place.absolute().name}.tuning")
    ways = _ways(method, encoder, examples, seed, progress, work)
    chosen = climb.through(ways, is_auto=method == "auto")
    report = TuneReport(
        rungs=tuple(climb.rungs),
        chosen="frozen" if chosen is None else chosen.method,
        out=None if chosen is None else place,
        base=encoder.identity,
        texts=len(examples.texts),
        labels=len(examples.names),
        folds=len(deals[0]),
        deals=len(deals),
        seed=seed,
        seconds=clock.spent,
    )
    if chosen is not None:
        chosen.write(place, report.card(), clock.left)
        _log.info("tuned encoder written to %s", place)
    shutil.rmtree(work, ignore_errors=True)
    return replace(report, seconds=clock.spent)


def _ways(
    method: Literal["auto", "map", "lora", "full"],
    encoder: Encoder,
    examples: Examples,
    seed: int,
    progress: bool | None,
    work: Path,
) -> list[Way]:
    """Return what is tried, from the lowest rung upwards."""
    ways: list[Way] = []
    for one in _LADDER:
        if method not in ("auto", one):
            continue
        way: ByMap | ByWeights
        if one == "map":
            way = ByMap(encoder, examples, seed, progress)
        else:
            way = ByWeights(one, encoder, examples, seed, progress, work)
        ways.append(way)
        is_taught = method != "auto" or one != "lora"
        if is_taught and len(examples.unlabeled.texts) >= FEWEST:
            ways.append(SelfTrained(way, examples))
    return ways


def _check(
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


def _table(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[object] | None
) -> pd.DataFrame:
    """Return each pair of text and label once, with the number of its group."""
    table = pd.DataFrame({"text": list(texts), "label": list(labels)})
    table["group"] = _joined(table["text"], groups)
    return table.drop_duplicates(["text", "label"], ignore_index=True)


def _examples(
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

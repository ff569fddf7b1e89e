"""Tune an encoder on labels or demand: a ladder, climbed while held-out texts say better."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    Fold,
    Positions,
    Scores,
    Vectors,
    compare,
    make_folds,
    nearest,
    scores,
)
from retrieval.encoding.adaptation.ladder.report import Method, Rung, TuneReport
from retrieval.encoding.adaptation.ladder.rungs import (
    AsItIs,
    ByMap,
    ByWeights,
    Costs,
    Examples,
    Way,
)
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.reading import ReadingCounts
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

METHODS = ("auto", "map", "lora", "full")
_LADDER: tuple[Method, ...] = ("map", "lora", "full")
_FEWEST = 20  # texts to judge by
_UNLABELED = "item"
_PROBED = 128  # texts encoded to see how long all will take


def tune(
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    demand: npt.ArrayLike | None = None,
    *,
    label_texts: Mapping[str, str] | None = None,
    groups: Sequence[object] | None = None,
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
    of their neighbors label; the ladder is climbed while a rung is better than the one below for
    sure (the 95 % interval of a paired bootstrap over groups lies above 0, or as many are right and
    the log loss is lower by 2 % for sure). What each rung will take is logged before it starts.
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
        method: ``"auto"``: the whole ladder. ``"map"``, ``"lora"``, ``"full"``: this rung alone,
            against the encoder as it is.
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
    clock = _Clock(budget)
    examples = _examples(encoder, texts, labels, label_texts, groups, clock, progress)
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
    parts = make_folds(examples.labels, examples.groups, folds, seed)
    climb = _Climb(examples, parts, clock, seed)
    wanted = _LADDER if method == "auto" else (method,)
    work = place.absolute().with_name(f".{place.absolute().name}.tuning")
    ways = [_way(one, encoder, examples, seed, progress, work) for one in wanted]
    chosen = climb.through(ways)
    report = TuneReport(
        rungs=tuple(climb.rungs),
        chosen="frozen" if chosen is None else chosen.method,
        out=None if chosen is None else place,
        base=encoder.identity,
        texts=len(examples.texts),
        labels=len(examples.names),
        folds=len(parts),
        seed=seed,
        seconds=clock.spent,
    )
    if chosen is not None:
        chosen.write(place, report.card(), clock.left)
        _log.info("tuned encoder written to %s", place)
    shutil.rmtree(work, ignore_errors=True)
    return replace(report, seconds=clock.spent)


def _way(
    method: Method,
    encoder: Encoder,
    examples: Examples,
    seed: int,
    progress: bool | None,
    work: Path,
) -> Way:
    if method in ("lora", "full"):
        return ByWeights(method, encoder, examples, seed, progress, work)
    return ByMap(encoder, examples, seed, progress)


HeldOut = Callable[[Fold], tuple[Vectors, Vectors]]


class _Clock:
    """What was spent of a budget, in seconds."""

    def __init__(self, budget: float | None) -> None:
        self._start, self.budget = time.monotonic(), budget

    @property
    def spent(self) -> float:
        return time.monotonic() - self._start

    @property
    def left(self) -> float | None:
        return None if self.budget is None else self.budget - self.spent

    def has(self, seconds: float) -> bool:
        return self.left is None or seconds <= self.left


@dataclass
class _Best:
    """The rung that stands."""

    scores: Scores
    way: Way | None = None


class _Climb:
    """A way up the ladder: `rungs` tells what was tried."""

    def __init__(self, examples: Examples, folds: list[Fold], clock: _Clock, seed: int) -> None:
        self._examples, self._folds, self._clock, self._seed = examples, folds, clock, seed
        self.rungs: list[Rung] = []

    def through(self, ways: list[Way]) -> Way | None:
        """Climb; return the best way, None where that is the encoder as it is."""
        judged = sum(len(fold.judged) for fold in self._folds)
        if judged < _FEWEST:
            note = f"{judged} texts can be held out, of labels that have others; {_FEWEST} are due"
            self.rungs.append(Rung("frozen", "start", judged=judged, note=note))
            _log.warning("the encoder stays as it is: %s", note)
            return None
        best = _Best(self._scored(AsItIs(self._examples).held_out, self._folds))
        self.rungs.append(Rung("frozen", "start", best.scores.accuracy, best.scores.loss, judged))
        for way in ways:
            costs = self._costs(way, is_only=len(ways) == 1)
            if costs is not None and not self._is_better(way, costs, best):
                break
        return best.way

    def _costs(self, way: Way, *, is_only: bool) -> Costs | None:
        """Measure what a rung takes; None where it cannot be had here and another may."""
        try:
            return way.costs()
        except InputError as error:  # a package that is missing, an encoder without weights here
            if is_only:
                raise
            self.rungs.append(Rung(way.method, "not tried", note=str(error)))
            _log.warning("tuning by %s is left out: %s", way.method, error)
            return None

    def _is_better(self, way: Way, costs: Costs, best: _Best) -> bool:
        """Try a rung; let it be the best if it is."""
        folds = self._folds[: way.turns()]
        expected = costs.seconds * (len(folds) + 1)
        left = self._clock.left
        of = "" if left is None else f" of the {left:,.0f} s left"
        told = f"about {expected:,.0f} s{of}, {costs.memory / 2**30:.1f} GiB"
        _log.info("tuning by %s: %s", way.method, told)
        if not self._clock.has(expected):
            if not any(rung.gain for rung in self.rungs):
                raise InputError(
                    f"budget={self._clock.budget:g} s is too small: {way.method}, the first way to "
                    f"tune, takes about {expected + self._clock.spent:,.0f} s in all"
                )
            rung = Rung(way.method, "not tried", expected_seconds=expected, memory=costs.memory)
            self.rungs.append(replace(rung, note=f"takes {told}"))
            return False
        start = time.monotonic()
        made = self._scored(way.held_out, folds)
        gain = compare(made, best.scores, self._examples.groups, self._seed)
        rung = Rung(
            way.method,
            "better" if gain.is_better else "not better",
            made.accuracy,
            made.loss,
            len(made.items),
            gain,
            time.monotonic() - start,
            expected,
            costs.memory,
        )
        self.rungs.append(rung)
        _log.info(
            "%s: %.2f %% of %d held-out texts right, %+.2f points [%+.2f, %+.2f]: %s",
            way.method,
            100 * made.accuracy,
            rung.judged,
            *(100 * one for one in (gain.accuracy, *gain.interval)),
            rung.verdict,
        )
        if gain.is_better:
            best.scores, best.way = made, way
        return gain.is_better

    def _scored(self, held_out: HeldOut, folds: Sequence[Fold]) -> Scores:
        labels = self._examples.labels
        return scores([nearest(fold, *held_out(fold), labels) for fold in folds], labels)


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


def _examples(
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str],
    label_texts: Mapping[str, str] | None,
    groups: Sequence[object] | None,
    clock: _Clock,
    progress: bool | None,
) -> Examples:
    """Encode what is tuned on, each pair of text and label once."""
    table = pd.DataFrame({"text": list(texts), "label": list(labels)})
    table["group"] = _joined(table["text"], groups)
    table = table.drop_duplicates(["text", "label"], ignore_index=True)
    numbers, names = pd.factorize(table["label"], sort=True)
    described = {name: _in_words(name, label_texts) for name in names}
    some = table["text"].drop_duplicates().tolist()
    _check_budget(encoder, some, clock)
    reading = encoder.read(table["text"].tolist(), progress=progress)
    ReadingCounts.of(table["text"].tolist(), reading).warn("texts to tune on", stacklevel=4)
    return Examples(
        texts=table["text"].tolist(),
        names=list(names),
        labels=numbers.astype(np.int64),
        groups=table["group"].to_numpy(dtype=np.int64),
        described=described,
        vectors=reading.vectors,
        anchors=encoder.encode(list(described.values())),
    )


def _check_budget(encoder: Encoder, texts: list[str], clock: _Clock) -> None:
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

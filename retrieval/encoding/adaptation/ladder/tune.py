"""Tune an encoder on labels or demand: a ladder, climbed where held-out texts say better."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy.typing as npt

from retrieval.arguments import require_count
from retrieval.encoding.adaptation.demand.known_demand import demand_of
from retrieval.encoding.adaptation.folder import check_out, check_tunable
from retrieval.encoding.adaptation.gate import (
    deal_again,
)
from retrieval.encoding.adaptation.ladder.climb import Climb, Clock
from retrieval.encoding.adaptation.ladder.inputs import (
    check_inputs,
    distinct_pairs,
    encode_examples,
)
from retrieval.encoding.adaptation.ladder.report import TuneReport
from retrieval.encoding.adaptation.ladder.rungs import (
    ByMap,
    ByWeights,
    Examples,
    Way,
)
from retrieval.encoding.adaptation.ladder.self_training import FEWEST, SelfTrained
from retrieval.encoding.encoder import Encoder

_log = logging.getLogger(__name__)

_LADDER: tuple[Literal["map", "lora", "full"], ...] = ("map", "lora", "full")
_UNLABELED = "item"
_FEW, _DEALS = 1_000, 2  # texts of which so few are held out so often


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
    sold = check_inputs(
        texts, labels if has_labels else None, demand, groups, method, folds, budget
    )
    require_count(seed, "seed", least=0)
    check_tunable(encoder)
    place = Path(out)
    check_out(place, overwrite=overwrite)
    clock = Clock(budget)
    table = distinct_pairs(texts, labels, groups)
    others = [] if sold is not None else sorted(set(unlabeled or ()) - set(table["text"]))
    examples = encode_examples(encoder, table, others, label_texts, clock, progress)
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
    work = place.absolute().with_name(f".{place.absolute().name}.tuning")
    ways = _ways(method, encoder, examples, seed, progress, work)
    report = _climb(ways, encoder, examples, place, clock, folds, seed, is_auto=method == "auto")
    shutil.rmtree(work, ignore_errors=True)
    return replace(report, seconds=clock.spent)


def _climb(
    ways: list[Way],
    encoder: Encoder,
    examples: Examples,
    place: Path,
    clock: Clock,
    folds: int,
    seed: int,
    *,
    is_auto: bool,
) -> TuneReport:
    """Try the ways, and write the best, if it is better than the encoder as it is."""
    deals = deal_again(examples.labels, examples.groups, folds, seed, most=_FEW, times=_DEALS)
    climb = Climb(examples, deals, clock, seed)
    chosen = climb.through(ways, is_auto=is_auto)
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
    return report


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

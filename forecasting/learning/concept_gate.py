"""Whether past launches were better forecast with concepts than without, as of before each.

At some moments of the past the model learns from the launches that were over by then, with and
without what concepts tell, and forecasts those that came after. Concepts are used where the
interval of the difference says so, and else not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from forecasting.concepts.kin import Inheritance, launch_premium
from forecasting.concepts.space import feature_names
from forecasting.concepts.verdict import ConceptVerdict
from forecasting.data.groups import ratio_interval
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.features.features import Description, FeatureMaker, without_plan
from forecasting.models.fitted import make_lessons
from forecasting.models.launch_model import LaunchModel
from forecasting.models.quantile_calibration import Calibration

FEWEST_HELD_OUT = 50  # launches, those of one group counted once
_FEWEST_LEARNED = 100
_MOMENTS = 3
_NEAR = "near_concepts_"


@dataclass(frozen=True)
class Trial:
    """Past launches, forecast by who had not seen them.

    Attributes:
        rows: (m,) which of the described launches.
        expected: (m,) mean of the total.
        loss: (m,) mean quantile loss of the total, doubled.
    """

    rows: Ints
    expected: Floats
    loss: Floats


def without_concepts(described: Description) -> Description:
    """Return the same without what concepts tell."""
    names = [name for name in described.features.columns if is_of_concepts(name)]
    return replace(described, features=described.features.drop(columns=names))


def is_of_concepts(name: str) -> bool:
    """Whether a feature is one that concepts tell."""
    return name in feature_names() or name.startswith(_NEAR)


def judge_concepts(
    describer: FeatureMaker, described: Description, launched: Ints, model: LaunchModel
) -> ConceptVerdict:
    """Compare forecasts with concepts and without.

    Args:
        describer: Knows what was sold.
        described: The n launches of the past, with what concepts tell.
        launched: (n,) their positions in the panel.
        model: To be trained; itself it stays as it is.
    """
    kept = try_out(describer, described, launched, model)
    if kept is None:
        return ConceptVerdict(False, "because too few launches could tell")
    other = try_out(describer, without_concepts(described), launched, model)
    assert other is not None  # it tries the same launches
    came = _totals(describer, launched)[kept.rows]
    group = np.unique(described.rows.group[kept.rows], return_inverse=True)[1]
    if len(np.unique(group)) < FEWEST_HELD_OUT or not came.sum() > 0:
        return ConceptVerdict(False, "because too few launches could tell")
    low, high = ratio_interval(other.loss - kept.loss, came, group)
    used = low > 0
    return ConceptVerdict(
        used,
        "which told more" if used else "they told no more",
        len(np.unique(launched[kept.rows])),
        float(other.loss.sum() / came.sum()),
        float(kept.loss.sum() / came.sum()),
        low,
        high,
    )


def learn_inheritance(
    describer: FeatureMaker, described: Description, launched: Ints, model: LaunchModel
) -> Inheritance:
    """Learn how far past launches took over the level of what they were said to replace.

    Args:
        describer: Knows what was sold.
        described: The n launches of the past, as the model will see them.
        launched: (n,) their positions in the panel.
        model: To be trained; itself it stays as it is.
    """
    guessed = Inheritance(premium=launch_premium(describer.history))
    if described.kin is None or not described.kin.is_any:
        return guessed
    trial = try_out(describer, described, launched, model)
    if trial is None:
        return guessed
    rows = trial.rows
    market = described.scale[rows].sum(axis=1)
    came = _totals(describer, launched)[rows] / market
    kin = described.kin[rows]
    return Inheritance.learn(kin, trial.expected / market, came, guessed.premium)


def try_out(
    describer: FeatureMaker, described: Description, launched: Ints, model: LaunchModel
) -> Trial | None:
    """Forecast past launches as of before each; None where too few were over by then.

    Args:
        describer: Knows what was sold.
        described: The n launches.
        launched: (n,) their positions in the panel.
        model: To be trained, without plans; itself it stays as it is.
    """
    history, rows = describer.history, described.rows
    features = without_plan(described.features, rows.plan.shape[2])
    over = np.asarray(np.isfinite(history.curves[launched]).all(axis=1))
    reader = Calibration.none(describer.quantiles, history.horizon)
    sold = _totals(describer, launched)
    parts = []
    for learned, asked in _moments(over, rows.period, rows.standing, rows.group, history.horizon):
        trained = copy.copy(model)
        trained.calibrate, trained.elastic = False, ()
        lessons = make_lessons(
            describer, launched[learned], rows[learned], _taken(features, learned)
        )
        trained.fit(replace(lessons, plan=lessons.plan[:, :, :0]))
        some = rows[asked]
        paths = trained.predict(
            _taken(features, asked), described.scale[asked], some.vectors, some.plan[:, :, :0]
        )
        made = reader.read(paths)
        loss = _loss(made.total_quantiles, sold[asked], describer.quantiles)
        parts.append(Trial(asked, made.total_mean, loss))
    if not parts:
        return None
    return Trial(
        *(np.concatenate([getattr(one, name) for one in parts]) for name in Trial.__annotations__)
    )


def _moments(
    over: Bools, period: Ints, standing: Ints, group: Ints, horizon: int
) -> Iterator[tuple[Ints, Ints]]:
    """Rows learned from and rows asked about, moment after moment of the past."""
    ends = period + horizon - 1
    possible = np.unique(ends[over])
    first = next(
        (
            int(one)
            for one in possible
            if len(np.unique(group[over & (ends <= one)])) >= _FEWEST_LEARNED
        ),
        None,
    )
    last = int(period[over].max(initial=-1))
    if first is None or last <= first:
        return
    edges = np.unique(np.linspace(first, last, _MOMENTS + 1).astype(np.int64))
    for start, end in pairwise(edges):
        learned = np.flatnonzero(over & (ends <= start))
        asked = np.flatnonzero(over & (standing >= start) & (period <= end))
        if len(asked):
            yield learned, asked


def _taken(features: pd.DataFrame, rows: Ints) -> pd.DataFrame:
    return features.iloc[rows].reset_index(drop=True)


def _totals(describer: FeatureMaker, launched: Ints) -> Floats:
    totals: Floats = describer.history.curves[launched].sum(axis=1)
    return totals


def _loss(told: Floats, came: Floats, quantiles: Sequence[float]) -> Floats:
    """(n,) mean quantile loss of (n, q) quantiles, doubled."""
    levels = np.asarray(quantiles)
    missed = came[:, None] - told
    loss: Floats = 2 * np.maximum(levels * missed, (levels - 1) * missed).mean(axis=1)
    return loss

"""CatBoost on what is known of a launch and its very words: what a careful user tries first.

Words enter as CatBoost's own features of texts (counts of words by the target), not as vectors.
Totals are learned, the curve is that of past launches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats
from forecasting.evaluation.baselines import Case, global_mean
from forecasting.evaluation.past_launches import FEWEST, chosen
from forecasting.features.features import own_features
from forecasting.forecasts import Forecasts
from retrieval import InputError

CATBOOST = "CatBoost with text"

_TEXT = "text"
_ROUNDS = {"iterations": 400, "learning_rate": 0.05, "depth": 6}
_HELD_OUT = 5  # one launch in so many, the latest, tells after how many rounds to stop
_PATIENCE = 50  # rounds


def catboost_with_text(case: Case) -> Forecasts:
    """Forecast totals by CatBoost on attributes, plan, market and words; ages as they were before.

    Mean by a Poisson loss, quantiles by one loss for all of them (MultiQuantile), both in units of
    the market expected, each with as many rounds as the latest fifth of past launches wants; where
    fewer than 20 launches are over, the curves of all.

    Raises:
        InputError: CatBoost is not installed.
    """
    catboost = installed_catboost()
    made, describer = case.forecaster, case.forecaster.engine_.describer
    history = made.history_
    picked = chosen(history, made.launched_, made.training_, len(made.training_))
    rows, items = made.training_[picked], made.launched_[picked]
    came = history.curves[items]
    if len(came) < FEWEST or not len(case.rows) or not came.sum():
        return global_mean(case)
    texts = describer.analogues.texts.iloc[items].to_numpy(dtype=object)
    learned = _readable(own_features(history, rows)).assign(**{_TEXT: texts})
    asked = _readable(own_features(history, case.rows)).assign(**{_TEXT: case.texts})
    unit, expected = (describer.scale(one).sum(axis=1) for one in (rows, case.rows))
    target = came.sum(axis=1) / unit
    levels = ",".join(map(str, made.quantiles))
    first = len(came) - len(came) // _HELD_OUT  # they come in the order of time

    def fitted(loss: str, values: Floats) -> Floats:
        model = catboost.CatBoostRegressor(
            loss_function=loss,
            random_seed=made.seed,
            thread_count=made.n_jobs or 1,  # digits depend on it
            allow_writing_files=False,
            verbose=False,
            **_ROUNDS,
        )
        kinds = learned.drop(columns=_TEXT).select_dtypes(exclude="number").columns.tolist()
        model.fit(
            learned[:first],
            values[:first],
            eval_set=(learned[first:], values[first:]),
            early_stopping_rounds=_PATIENCE,
            cat_features=kinds,
            text_features=[_TEXT],
        )
        found: Floats = np.asarray(model.predict(asked), dtype=np.float64)
        return found

    # Of few launches it runs away now and then: none sells more than any did.
    mean = np.minimum(np.exp(np.clip(fitted("Poisson", target), -20, 20)), target.max()) * expected
    # Trees of the logarithm; a quantile stays one under what only ascends.
    spread = fitted(f"MultiQuantile:alpha={levels}", np.log1p(target)).reshape(len(asked), -1)
    total = np.expm1(np.maximum(np.sort(spread, axis=1), 0.0)) * expected[:, None]
    shares = came.sum(axis=0) / came.sum()
    return Forecasts(mean[:, None] * shares, total[:, None, :] * shares[:, None], total)


def installed_catboost() -> Any:
    """Return the package.

    Raises:
        InputError: It is not installed.
    """
    try:
        import catboost
    except ImportError:
        raise InputError(
            f"{CATBOOST}: catboost is not installed: pip install 'likewise[catboost]'"
        ) from None
    return catboost


def _readable(features: pd.DataFrame) -> pd.DataFrame:
    """Return features as CatBoost takes them: categories as words, none of them missing."""
    made = features.copy()
    for name in made.columns:
        if not pd.api.types.is_numeric_dtype(made[name]):
            made[name] = made[name].astype(object).where(made[name].notna(), "").astype(str)
    return made

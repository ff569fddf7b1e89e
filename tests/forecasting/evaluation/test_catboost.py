"""The baseline that needs a package of its own; skipped where that is not installed."""

from importlib.util import find_spec

import numpy as np
import pytest

from forecasting.evaluation.backtest import named_baselines
from forecasting.evaluation.baselines import BASELINES, Case
from forecasting.evaluation.catboost import CATBOOST, catboost_with_text
from retrieval import InputError
from tests.forecasting.conftest import HORIZON

IS_THERE = find_spec("catboost") is not None
needed = pytest.mark.skipif(not IS_THERE, reason="needs likewise[catboost]")


def test_baselines_are_chosen_by_name() -> None:
    assert named_baselines(None) == BASELINES
    assert list(named_baselines(["zeros", "incumbents, rescaled"])) == [
        "zeros",
        "incumbents, rescaled",
    ]
    for names in ([], "zeros"):
        with pytest.raises(InputError, match="give a list of names; there are: 'zeros'"):
            named_baselines(names)
    with pytest.raises(InputError, match=f"no 'oracle'; there are: .*'{CATBOOST}'"):
        named_baselines(["oracle"])


@pytest.mark.skipif(IS_THERE, reason="is about what is said where it is missing")
def test_where_it_is_missing_the_message_says_what_to_install() -> None:
    with pytest.raises(InputError, match=r"pip install 'likewise\[catboost\]'"):
        named_baselines([CATBOOST])


@needed
def test_it_forecasts_by_attributes_and_words(grocery, fitted) -> None:
    case = Case.of(fitted, grocery.later)
    made = named_baselines([CATBOOST])[CATBOOST](case)
    n = len(case.rows)
    assert made.mean.shape == (n, HORIZON)
    assert made.quantiles.shape == (n, HORIZON, 3)
    assert np.isfinite(made.mean).all()
    assert (made.mean > 0).all()
    assert (np.diff(made.total_quantiles, axis=-1) >= 0).all()
    assert len(np.unique(made.total_quantiles[:, 1])) > n / 4
    again = catboost_with_text(Case.of(fitted, grocery.later.iloc[[7]]))
    np.testing.assert_allclose(again.mean[0], made.mean[7])
    assert not len(catboost_with_text(Case.of(fitted, grocery.later.head(0))).mean)

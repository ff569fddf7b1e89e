"""The factors that would have made a rule right about past launches."""

import numpy as np
from hypothesis import given, strategies as st

from forecasting.evaluation.past_launches import factors

UNITS = st.lists(st.integers(1, 50), min_size=3, max_size=12)


@given(UNITS, st.integers(0, 100))
def test_the_mean_is_right_in_sum_and_the_median_errs_least(came: list[int], seed: int) -> None:
    sold = np.array(came, dtype=float)
    rng = np.random.default_rng(seed)
    said = sold * rng.uniform(0.5, 2.0, len(sold))
    mean, median = factors(said, said, sold)
    np.testing.assert_allclose((mean * said).sum(), sold.sum())
    errors = [np.abs(sold - by * said).sum() for by in (median, 0.9 * median, 1.1 * median)]
    assert errors[0] <= min(errors[1:]) + 1e-9


def test_where_nothing_is_known_nothing_is_multiplied() -> None:
    nothing = np.array([np.nan, np.nan])
    assert factors(nothing, nothing, np.array([1.0, 2.0])) == (1.0, 1.0)
    assert factors(np.zeros(2), np.zeros(2), np.zeros(2)) == (1.0, 1.0)

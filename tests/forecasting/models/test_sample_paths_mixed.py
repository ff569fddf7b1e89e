"""The average of forecasts over what is not known."""

import numpy as np
from hypothesis import given, settings, strategies as st

from forecasting.models.sample_paths import Paths, mixed, quantiles


def paths(n: int, curves: int, seed: int) -> Paths:
    rng = np.random.default_rng(seed)
    weight = rng.random((n, curves))
    return Paths(
        curves=np.random.default_rng(seed).gamma(2.0, 3.0, (curves, 3)),
        position=np.tile(np.arange(curves), (n, 1)),
        weight=weight / weight.sum(axis=1, keepdims=True),
        factor=np.exp(rng.normal(0, 0.5, (n, 1))) * np.ones((n, curves)),
        scale=np.ones((n, 3)),
        counts=False,
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.integers(0, 1000))
def test_an_average_has_the_mean_and_the_quantiles_of_all_copies(curves: int, seed: int) -> None:
    own, copies = paths(3, curves, seed), paths(16, curves, seed)
    found = mixed(own, np.array([1]), copies)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1)
    totals, weight = copies.totals().ravel()[None, :], copies.weight.ravel()[None, :]
    levels = np.array([[0.3, 0.5, 0.7]])
    near = quantiles(totals, weight, levels - 0.2), quantiles(totals, weight, levels + 0.2)
    read = quantiles(found[np.array([1])].totals(), found[np.array([1])].weight, levels)
    assert (near[0] <= read).all()
    assert (read <= near[1]).all()
    mean = copies.mean().sum(axis=1).mean()
    assert abs(found.mean()[1].sum() - mean) < 0.25 * mean
    for row in (0, 2):
        np.testing.assert_allclose(found.mean()[row], own.mean()[row])

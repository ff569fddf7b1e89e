"""What stands in for an attribute that a launch lacks."""

import numpy as np
import pandas as pd

from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Grid, Panel
from forecasting.features.analogues import Pool
from forecasting.features.imputation import DRAWS, imputed, lacking

NAN = np.nan
N = 20
KINDS = ["x", "y"] * (N // 2)


def history(price: list[float]) -> History:
    """As many launches as there are prices."""
    n = len(price)
    panel = Panel(
        ids=np.array([f"old{one}" for one in range(n)], object),
        grid=Grid("W-MON", pd.Timestamp("2024-01-01")),
        units=np.ones((n, 6), np.float32),
        visible=np.zeros(n, np.int64),
        launch=np.zeros(n, np.int64),
    )
    return History(panel, pd.DataFrame({"price": price, "kind": KINDS[:n]}), 3)


def launches(**attributes: list[object]) -> Launches:
    n = len(attributes["price"])
    return Launches(
        ids=np.array([f"new{one}" for one in range(n)], object),
        vectors=np.ones((n, 2), np.float32),
        period=np.full(n, 6),
        standing=np.full(n, 5),
        attributes=pd.DataFrame(attributes),
    )


def like(*positions: list[int]) -> Pool:
    at = np.array(positions)
    similarity = np.where(at >= 0, 0.9, NAN)
    return Pool(at, similarity, temperature=0.05, factor=np.ones(at.shape))


def test_only_what_past_launches_had_is_lacking() -> None:
    rows = launches(price=[NAN, 1.0], kind=["x", None])
    prices = [float(one) for one in range(N)]
    assert lacking(history(prices), rows.attributes).tolist() == [[True, False], [False, True]]
    # A tenth of the past without a price taught what that means.
    taught = lacking(history([NAN, NAN, *prices[2:]]), rows.attributes)
    assert taught.tolist() == [[False, False], [False, True]]


def test_what_is_lacking_is_what_like_launches_have_as_often_as_they_are_like() -> None:
    rows = launches(price=[NAN, 7.0], kind=["x", "y"])
    found = imputed(history([float(one) for one in range(N)]), rows, like([3, 5], [0, 1]))
    assert len(found) == 2 * DRAWS
    assert sorted(found.attributes["price"][:DRAWS]) == [3.0] * (DRAWS // 2) + [5.0] * (DRAWS // 2)
    assert (found.attributes["price"][DRAWS:] == 7.0).all()
    assert found.attributes["kind"].tolist() == ["x"] * DRAWS + ["y"] * DRAWS


def test_without_a_like_launch_that_has_it_any_launch_counts() -> None:
    prices = [NAN, *[float(one) for one in range(1, N)]]
    found = imputed(history(prices), launches(price=[NAN], kind=["x"]), like([0, -1]))
    assert found.attributes["price"].notna().all()
    assert found.attributes["price"].nunique() > DRAWS // 2

"""Which of the analogues that tie is kept hangs on what they are, not on the order of rows."""

import warnings

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings, strategies as st

from forecasting import Columns, LaunchForecaster
from retrieval import Encoder

ITEMS, K = 30, 3
WEEKS = pd.date_range("2024-01-01", periods=30, freq="W-MON")
WORDS = ("oat milk", "bath towel", "wall clock")


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Items of three texts, ten of each, that sold differently; and launches to come."""
    rng = np.random.default_rng(0)
    start = np.repeat([0, 0, 8, 8, 12], ITEMS // 5)  # several at one time
    items = pd.DataFrame(
        {
            "item_id": [f"i{number:02d}" for number in range(ITEMS)],
            "name": [WORDS[number % 3] for number in range(ITEMS)],
            "launch_date": [WEEKS[one] if one else pd.NaT for one in start],
            "product": [f"p{number % 2}" for number in range(ITEMS)],
        }
    )
    sold = [
        pd.DataFrame(
            {"unique_id": one, "ds": WEEKS[begin:], "y": rng.poisson(number + 1, 30 - begin)}
        )
        for number, (one, begin) in enumerate(zip(items["item_id"], start, strict=True))
    ]
    new = pd.DataFrame(
        {
            "item_id": ["n0", "n1", "n2"],
            "name": WORDS,
            "launch_date": pd.Timestamp("2024-08-05"),
            "product": ["p0", "p1", "p0"],
        }
    )
    return items, pd.concat(sold, ignore_index=True), new


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(ITEMS)), places=st.permutations(range(3)))
def test_the_order_of_rows_chooses_no_analogue(
    encoder: Encoder, order: list[int], places: list[int]
) -> None:
    items, sales, new = tables()

    def told(items: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame) -> list[pd.DataFrame]:
        forecaster = LaunchForecaster(
            encoder=encoder, horizon=6, text="name", k=K, columns=Columns(elsewhere="product")
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few launches
            forecaster.fit(items, sales)
            parts = forecaster.explain(new), forecaster.predict(new)
        return [part.sort_values(list(part.columns[:1]), kind="stable") for part in parts]

    shuffled = items.iloc[order]
    sold = pd.concat([sales[sales["unique_id"] == one] for one in shuffled["item_id"]])
    expected, found = told(items, sales, new), told(shuffled, sold, new.iloc[places])
    near = expected[0][expected[0]["pool"] == "incumbent"]
    assert (near.groupby("unique_id")["similarity"].nunique() == 1).all()  # all of them tie
    assert (near.groupby("unique_id").size() == K).all()
    for one, other in zip(expected, found, strict=True):
        pd.testing.assert_frame_equal(
            one.drop(columns="curve", errors="ignore").reset_index(drop=True),
            other.drop(columns="curve", errors="ignore").reset_index(drop=True),
            check_exact=True,
        )

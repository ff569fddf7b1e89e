import numpy as np
import pandas as pd
from hypothesis import given, strategies as st

from forecasting.evaluation.slices import MISSING, OTHER, SLICES, THIRDS, UNLIKE


def items(n, **columns):
    table = {
        "unique_id": [f"i{k:03}" for k in range(n)],
        "cutoff": pd.Timestamp("2024-01-01"),
        "category": "a",
        "similarity": 0.5,
        "level": 1.0,
    }
    return pd.DataFrame(table | columns)


def test_small_categories_are_pooled():
    names = ["b"] * 20 + ["a"] * 30 + ["c"] * 19 + [None] * 21
    group = SLICES["category"](items(90, category=names))
    assert group.value_counts().to_dict() == {"a": 30, MISSING: 21, "b": 20, OTHER: 19}
    assert group.cat.categories.tolist() == ["a", MISSING, "b", OTHER]


def test_similarity_bands_are_quartiles_named_by_their_range():
    similarity = np.linspace(0.2, 0.6, 41)
    group = SLICES["similarity"](items(42, similarity=[*similarity, np.nan]))
    names = ["0.20 to 0.30", "0.30 to 0.40", "0.40 to 0.50", "0.50 to 0.60", UNLIKE]
    assert group.cat.categories.tolist() == names
    assert group.value_counts().loc[names].tolist() == [11, 10, 10, 10, 1]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_an_item_lies_within_the_band_that_names_it(similarity):
    group = SLICES["similarity"](items(len(similarity), similarity=similarity))
    for value, name in zip(similarity, group, strict=True):
        low, high = (float(end) for end in name.split(" to "))
        assert low - 1e-9 <= value <= high + 1e-9


def test_nothing_known_alike_is_one_band():
    assert set(SLICES["similarity"](items(3, similarity=np.nan))) == {UNLIKE}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_thirds_are_of_the_forecast_and_do_not_depend_on_order(level):
    table = items(len(level), level=level)
    group = SLICES["level"](table)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(SLICES["level"](shuffled).sort_index(), group)
    sizes = group.value_counts().reindex(THIRDS, fill_value=0)
    assert sizes.max() - sizes.min() <= 1
    lowest, highest = (table["level"][group == name] for name in (THIRDS[0], THIRDS[-1]))
    assert highest.empty or lowest.max() <= highest.min()


def test_cohorts_are_cutoffs_in_order():
    dates = pd.to_datetime(["2024-02-01", "2024-01-01", "2024-02-01"])
    group = SLICES["cohort"](items(3, cutoff=dates))
    assert group.cat.categories.tolist() == [dates[1], dates[0]]
    assert group.tolist() == dates.tolist()

"""Tables of a forecaster: what attributes hold is decided by what was learned from."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from forecasting import LaunchForecaster
from forecasting.data.history import History
from retrieval import InputError, TableError

ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "name": ["tea", "soap", "lamp"],
        "launch_date": pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15"]),
        "price": [3.99, 4.5, 12.0],
        "size": ["38", "M", "40/42"],
    }
)
SALES = pd.DataFrame({"unique_id": list("abc"), "ds": ITEMS["launch_date"], "y": [1.0, 2.0, 3.0]})
FORECASTER = LaunchForecaster(text="name", attributes=["price", "size"], horizon=2)


@pytest.mark.parametrize("form", ["{:.2f}", "${:.2f}", "{:.2f} EUR"])
def test_prices_in_words_are_the_same_prices(form: str) -> None:
    said = ITEMS.assign(price=ITEMS["price"].map(form.format))
    commas = ITEMS.assign(price=said["price"].str.replace(".", ","))
    for items in (said, commas):
        clean = FORECASTER.reader.items(items)
        pd.testing.assert_frame_equal(clean, FORECASTER.reader.items(ITEMS))


def test_a_slip_among_prices_is_named() -> None:
    said = ITEMS.assign(price=["3.99", "n/a", "4.50"])
    with pytest.raises(TableError, match="row 2, column price is not a number: 'n/a'"):
        FORECASTER.reader.items(said)


def test_new_items_hold_what_those_learned_from_held() -> None:
    clean = FORECASTER.reader.items(ITEMS)
    panel = FORECASTER.reader.sales(clean, SALES).panel()
    kinds = History(panel, clean[["price", "size"]], 2).kinds
    assert kinds == {"price": "number", "size": "string"}
    reader = replace(FORECASTER.reader, kinds=kinds)
    for price, size in (("4", 38.5), ("$4", "38.5"), (4, "38.5")):
        one = ITEMS[:1].astype(object).assign(price=price, size=size)
        read = reader.items(one, "new_items")
        assert (read["price"].item(), read["size"].item()) == (4.0, "38.5")
    unknown = reader.items(ITEMS[:1].astype(object).assign(price=None), "new_items")
    assert unknown["price"].dtype == "float64"


@pytest.mark.parametrize("cutoff", ["", float("nan"), pd.NaT, "08/01/2024", 20240108, "2024-01"])
def test_a_cutoff_is_a_day_or_refused(cutoff: object) -> None:
    clean = FORECASTER.reader.items(ITEMS)
    with pytest.raises(InputError, match=r"^cutoff: .*(is empty|is not a date)"):
        FORECASTER.reader.sales(clean, SALES).panel(cutoff)  # type: ignore[arg-type]

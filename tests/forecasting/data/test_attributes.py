"""Attributes of new items come in the kinds that were learned."""

import numpy as np
import pandas as pd
import pytest

from forecasting.data.attributes import as_known
from retrieval import TableError

KNOWN = pd.DataFrame({"price": [1.0, 2.0], "code": ["12", "x"]})


def test_what_looks_like_another_kind_is_what_was_learned() -> None:
    new = pd.DataFrame({"price": pd.Series(["3.5", None], dtype="str"), "code": [12.0, np.nan]})
    found = as_known(new, KNOWN, "new_items")
    assert found["price"].dtype == np.float64
    assert found["price"].iloc[0] == 3.5
    assert found["code"].iloc[0] == "12"
    assert found.isna().iloc[1].all()


def test_a_text_in_place_of_a_number_is_named() -> None:
    new = pd.DataFrame({"price": ["3.5", "on request"], "code": ["12", "x"]})
    with pytest.raises(TableError, match=r"new_items: price is not a number.*\n.*row 2: .*request"):
        as_known(new, KNOWN, "new_items")

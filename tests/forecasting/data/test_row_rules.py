import numpy as np
import pandas as pd
import pytest

from forecasting.data.row_rules import check_rows
from retrieval import TableError

TABLE = pd.DataFrame({"id": ["a", "b", "b"], "y": [1.0, 2.0, 3.0]}, index=[0, 4, 7])


def test_offenders_are_counted_as_in_the_caller_s_table() -> None:
    with pytest.raises(TableError) as caught:
        check_rows(TABLE, TABLE["y"] > 1, "y is much", ["id", "y"], hint="less", source="plan")
    assert str(caught.value).splitlines() == [
        "plan: y is much",
        "  row 5: id='b', y=2.0",
        "  row 8: id='b', y=3.0",
        "  less",
    ]
    (offense,) = caught.value.offenses
    assert (offense.rows, offense.column, offense.values) == ([4, 7], "y", [2.0, 3.0])


def test_rows_that_break_a_rule_together_are_all_in_doubt() -> None:
    again, both = TABLE.duplicated("id"), TABLE.duplicated("id", keep=False)
    with pytest.raises(TableError, match=r"\(id\) repeats\s+row 8: id='b'$") as caught:
        check_rows(TABLE, again, "(id) repeats", ["id"], involved=both)
    assert list(caught.value.offenses[0].rows) == [4, 7]


def test_good_rows_are_silent() -> None:
    check_rows(TABLE, np.zeros(3, dtype=bool), "y is much", ["y"])

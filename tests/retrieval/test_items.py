from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from retrieval import InputError, TableError
from retrieval.items import content_ids, item_texts, validate_items


def table(**columns: list[Any]) -> pd.DataFrame:
    base: dict[str, list[Any]] = {"item_id": ["a", "b", "c"], "name": ["milk", "chips", "soap"]}
    return pd.DataFrame({**base, **columns})


def test_a_clean_table_comes_back_typed() -> None:
    items = validate_items(
        table(
            item_id=[7, 8, 9],
            label=["dairy", " ", None],
            launch=["2024-01-05", None, "2024-01-05T23:30:00+02:00"],
            price=[1, 2, 3],
            organic=[True, False, None],
        ).set_index(pd.Index([5, 5, 5])),
        item_id="item_id",
        text="name",
        label="label",
        launch_date="launch",
        attributes=["price", "organic"],
    )
    assert items["item_id"].tolist() == ["7", "8", "9"]
    assert items["label"].isna().tolist() == [False, True, True]
    assert items["launch"].dt.strftime("%Y-%m-%d").tolist()[::2] == ["2024-01-05", "2024-01-05"]
    assert items["price"].dtype == np.float64
    assert items["organic"].tolist()[:2] == ["True", "False"]
    assert items.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"text": "nme"}, "missing column nme; there are: item_id, name"),
        ({"item_id": ["a", "b", "a"]}, {}, r"row 3, column item_id is there more than once: 'a'"),
        ({"item_id": ["a", None, "c"]}, {}, r"row 2, column item_id is missing"),
        ({"item_id": ["a", " ", "c"]}, {}, r"row 2, column item_id is empty"),
        ({"item_id": [1.0, 2.0, 3.0]}, {}, "column item_id holds decimal numbers"),
        ({"name": ["milk", "", "soap"]}, {}, "row 2, column name holds no text"),
        ({"name": ["milk", "x", None]}, {}, "row 3, column name holds no text"),
        ({"name": ["milk", 5, "soap"]}, {}, "row 2, column name is not a string: 5"),
        ({"price": [1, np.inf, 2]}, {"attributes": ["price"]}, "row 2, column price is not a fini"),
        (
            {"launch": ["2024-01-01", "soon", None]},
            {"launch_date": "launch"},
            "row 2, column launch is not a date .*: 'soon'",
        ),
        (
            {"launch": ["2024-01-01", None, "9999-12-31"]},
            {"launch_date": "launch"},
            "row 3, column launch is a date out of the years 1700 to 2261: '9999-12-31'",
        ),
    ],
)
def test_offenders_are_named_by_row_and_column(
    columns: dict[str, list[Any]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TableError, match=message) as caught:
        validate_items(
            table(**columns), item_id="item_id", **{"text": "name", **options}, source="new.csv"
        )
    assert str(caught.value).startswith("new.csv: ")
    assert isinstance(caught.value, ValueError)


def test_only_the_first_offenders_are_listed() -> None:
    items = pd.DataFrame({"item_id": [str(n) for n in range(20)], "name": [""] * 20})
    with pytest.raises(TableError, match=r"and 15 more") as caught:
        validate_items(items, item_id="item_id", text="name")
    assert len(str(caught.value).splitlines()) == 7


def test_all_offenders_are_told_apart_for_programs() -> None:
    items = pd.DataFrame(
        {
            "item_id": ["a", "a", None, "d", *(str(n) for n in range(20))],
            "name": ["x", "y", "z", "u", *[""] * 20],
            "price": [1.0, 2.0, 3.0, np.inf, *[1.0] * 20],
        }
    )
    with pytest.raises(TableError) as caught:
        validate_items(items, item_id="item_id", text="name", attributes=["price"], source="t.csv")
    told = {(one.column, one.problem): list(one.rows) for one in caught.value.offenses}
    assert told == {
        ("item_id", "is there more than once"): [0, 1],
        ("item_id", "is missing"): [2],
        ("price", "is not a finite number"): [3],
        ("name", "holds no text"): list(range(4, 24)),
    }
    assert {one.table for one in caught.value.offenses} == {"t.csv"}
    days = items.tail(2).assign(name="x", day=["2024-01-01", "soon"])
    with pytest.raises(TableError) as caught:
        validate_items(days, item_id="item_id", text="name", launch_date="day")
    assert [(one.rows, one.column, one.values) for one in caught.value.offenses] == [
        ([1], "day", ["soon"])
    ]
    with pytest.raises(TableError) as caught:
        validate_items(items, item_id="item_id", text="nowhere")
    assert caught.value.offenses == ()


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(InputError, match="expected a pandas DataFrame, got list"):
        validate_items([{"item_id": "a"}], item_id="item_id", text="name")  # type: ignore[arg-type]
    twice = table().assign(more=1).set_axis(["item_id", "name", "name"], axis=1)
    with pytest.raises(TableError, match="column name is there more than once"):
        validate_items(twice, item_id="item_id", text="name")


def test_texts_are_joined_without_what_is_missing() -> None:
    items = table(size=["1 L", None, ""])
    assert item_texts(items, ["name", "size"]).tolist() == ["milk 1 L", "chips", "soap"]


def test_ids_made_from_content_tell_repeats_apart() -> None:
    ids = content_ids(["tea", "soap", "tea"])
    assert len(set(ids)) == 3
    assert content_ids(["tea", "soap"]) == ids[:2], "the same items, the same ids"
    assert ids[2].split("-")[0] == ids[0].split("-")[0]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", "", " ", None]),
        st.sampled_from(["milk", "", " ", None, 3]),
        st.sampled_from(["chips", "", None]),
        st.sampled_from([1.5, np.nan, np.inf, -np.inf]),
    ),
    max_size=4,
)


@given(ROWS)
def test_a_table_is_taken_if_every_rule_is_kept_and_else_refused(
    rows: list[tuple[str | None, Any, str | None, float]],
) -> None:
    items = pd.DataFrame(rows, columns=["item_id", "name", "more", "price"])
    items = items.astype({"name": object, "price": "float64"})
    ids = [row[0] for row in rows]
    bad = {row + 1 for row, one in enumerate(ids) if not (one or "").strip() or ids.count(one) > 1}
    for row, (_, name, more, price) in enumerate(rows, start=1):
        if name == 3 or not ((name or "") + (more or "")).strip() or np.isinf(price):
            bad.add(row)

    def check() -> pd.DataFrame:
        return validate_items(items, item_id="item_id", text=["name", "more"], attributes=["price"])

    if not bad:
        assert len(check()) == len(rows)
        return
    with pytest.raises(TableError) as refused:
        check()
    assert {row + 1 for offense in refused.value.offenses for row in offense.rows} == bad


def test_columns_may_be_named_by_numbers() -> None:
    items = pd.DataFrame([["a", "milk", 1.5], ["b", "chips", 2.5]])
    for text in (1, "1", [1], ["1"]):
        clean = validate_items(items, item_id=0, text=text, attributes=[2])  # type: ignore[arg-type]
        assert clean.columns.tolist() == ["0", "1", "2"]
    with pytest.raises(TableError, match="missing column 3; there are: 0, 1, 2"):
        validate_items(items, item_id="0", text="3")
    both = pd.DataFrame([["a", "milk", "chips"]], columns=["item_id", 1, "1"])
    with pytest.raises(TableError, match="column 1 is there more than once"):
        validate_items(both, item_id="item_id", text="1")


@pytest.mark.parametrize("name", [None, 1.5, ["a", "b"], b"name", True])
def test_what_names_no_column_is_told(name: object) -> None:
    with pytest.raises(InputError, match="label: not the name of" if name else "text: not the"):
        if name is None:
            validate_items(table(), item_id="item_id", text=None)  # type: ignore[arg-type]
        else:
            validate_items(table(), item_id="item_id", text="name", label=name)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["item_id", "name", "kind"])
def test_half_a_character_is_told_by_row_and_column(column: str) -> None:
    items = table(kind=["a", "b", "c"]).astype(object)
    items.loc[1, column] = "x\ud83d"
    with pytest.raises(TableError, match=f"row 2, column {column} holds half a character"):
        validate_items(items, item_id="item_id", text="name", label="kind")
    with pytest.raises(TableError, match=f"row 2, column {column} holds half a character"):
        validate_items(items, item_id="item_id", text="name", attributes=["kind"])

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from retrieval import Between, Encoder, InputError, ItemIndex
from retrieval.filters import Kind, parse_where, to_expression, to_mask
from tests.milvus_places import Places

KINDS: dict[str, Kind] = {"brand": "string", "price": "number"}

NASTY = [
    'double "quote"',
    "single 'quote'",
    "back\\slash",
    "new\nline",
    "tab\t",
    "ünïcödé 牛奶 🥛",
    '" or item_id != "',
    "percent % and {braces}",
    "\\",
    "\x01",
]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"brnd": "x"}, "unknown attribute 'brnd'; the collection has: brand, price"),
        ({"price": "cheap"}, "'price' holds numbers, got 'cheap'"),
        ({"price": float("nan")}, "'price' holds numbers"),
        ({"price": True}, "'price' holds numbers, got True"),
        ({"brand": ""}, "'brand' holds non-empty strings"),
        ({"brand": ["a", None]}, "'brand' holds non-empty strings, got None"),
        ({"brand": Between(1, 2)}, "'brand' holds strings; a range needs a number"),
    ],
)
def test_what_cannot_match_is_refused(where: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_where(where, KINDS)  # type: ignore[arg-type]


def test_a_range_says_something() -> None:
    with pytest.raises(InputError, match="at one end at least"):
        Between()
    with pytest.raises(InputError, match="at one end at least"):
        Between(low=float("nan"))


def test_literals_are_escaped() -> None:
    parsed = parse_where({"brand": '" or item_id != "', "price": Between(1, 2.5)}, KINDS)
    assert to_expression(parsed, {"brand": "attr0", "price": "attr1"}) == (
        'attr0 in ["\\" or item_id != \\""] and attr1 >= 1.0 and attr1 <= 2.5'
    )


@pytest.fixture(scope="module")
def nasty(encoder: Encoder, module_milvus: Places) -> ItemIndex:
    items = pd.DataFrame(
        {
            "item_id": NASTY,
            "name": [f"thing {n}" for n in range(len(NASTY))],
            "brand": NASTY,
            "price": [None, *(float(n) for n in range(1, len(NASTY)))],
        }
    )
    index = module_milvus("nasty").open(encoder)
    index.upsert(items, text="name", attributes=["brand", "price"])
    return index


@pytest.mark.parametrize("value", NASTY)
def test_milvus_finds_any_string_and_only_that(nasty: ItemIndex, value: str) -> None:
    near = nasty.neighbors(["thing"], k=50, where={"brand": value})
    assert near.ids[near.valid].tolist() == [value]
    assert nasty.get([value])["item_id"].tolist() == [value]


@given(
    brands=st.lists(st.sampled_from([*NASTY, "not there"]), min_size=1, max_size=4),
    low=st.none() | st.floats(-1, 12),
    high=st.none() | st.floats(-1, 12),
)
@settings(deadline=None, max_examples=40)
def test_milvus_and_memory_agree_on_every_filter(
    nasty: ItemIndex, brands: list[str], low: float | None, high: float | None
) -> None:
    where: dict[str, object] = {"brand": brands}
    if (low, high) != (None, None):
        where["price"] = Between(low, high)
    nasty._snapshot = None
    found = nasty.neighbors(["thing"], k=50, where=where)  # type: ignore[arg-type]
    items = nasty.get(NASTY)
    columns = {"brand": items["brand"], "price": items["price"].fillna(-1.7976931348623157e308)}
    mask = to_mask(parse_where(where, KINDS), columns)  # type: ignore[arg-type]
    assert mask is not None
    assert set(found.ids[found.valid]) == set(items["item_id"][mask])


def test_what_is_missing_matches_no_range(nasty: ItemIndex) -> None:
    near = nasty.neighbors(["thing"], k=50, where={"price": Between(high=100)})
    assert near.valid.sum() == len(NASTY) - 1

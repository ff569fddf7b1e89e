from __future__ import annotations

import pandas as pd
import pytest

from retrieval import Encoder, InputError, ItemIndex, propose_concepts


@pytest.fixture(scope="module")
def index(encoder: Encoder, products: pd.DataFrame) -> ItemIndex:
    index = ItemIndex(":memory:", encoder)
    index.upsert(products, text=["product_type", "brand"], attributes=["department", "price"])
    return index


def test_values_phrases_and_clusters_are_proposed_with_a_reason(index: ItemIndex) -> None:
    found = propose_concepts(index, index.read())
    assert (found["accepted"] == "").all()
    assert found["concept_id"].is_unique
    kinds = found.groupby("kind")["items"]
    assert set(kinds.groups) == {"department", "phrase", "cluster"}
    values = found[found["kind"] == "department"].set_index("name")["items"]
    assert values.to_dict() == {"GROCERY": 100, "PRODUCE": 100, "DELI": 100, "DRUG GM": 100}
    assert found["because"].ne("").all()
    assert kinds.min().ge(5).all()
    assert found.equals(propose_concepts(index, index.read()))


def test_an_attribute_that_is_none_is_refused(index: ItemIndex) -> None:
    with pytest.raises(InputError, match="'color' is no attribute"):
        propose_concepts(index, index.read(), columns=["color"])

from __future__ import annotations

import pandas as pd
import pytest

from retrieval import Encoder, InputError, ItemIndex, TableError, record_languages

ITEMS = pd.DataFrame(
    {
        "item_id": ["1", "2", "3"],
        "name": ["fresh milk from the farm", "frische Milch vom Hof", "no milk"],
        "lang": ["en-US", "deu", "EN"],
    }
)


def test_an_index_keeps_the_language_and_filters_by_it(encoder: Encoder) -> None:
    index = ItemIndex(":memory:", encoder)
    index.upsert(ITEMS, text="name", language="lang")
    assert index.get(["1", "2", "3"])["lang"].tolist() == ["en", "de", "en"]
    near = index.neighbors(["milk"], k=3, where={"lang": "en"})
    assert sorted(near.ids[0].tolist()[:2]) == ["1", "3"]


def test_a_norwegian_is_no_answer_to_a_question(encoder: Encoder) -> None:
    index = ItemIndex(":memory:", encoder)
    index.upsert(ITEMS.assign(lang=["no", "no", "no"]), text="name", language="lang")
    assert index.get(["1"])["lang"].tolist() == ["no"]


def test_what_is_missing_is_told_from_the_text(encoder: Encoder) -> None:
    pytest.importorskip("py3langid")
    table = ITEMS.assign(lang=["en", None, ""])
    recorded = record_languages(table, "lang", ["name"])
    assert recorded["lang"].tolist()[:2] == ["en", "de"]
    detected = record_languages(ITEMS, "auto", ["name"])
    assert detected["language"].tolist()[:2] == ["en", "de"]
    assert "lang" in detected and "language" not in ITEMS


def test_bad_input_is_named(encoder: Encoder) -> None:
    index = ItemIndex(":memory:", encoder)
    with pytest.raises(TableError, match=r"row 3, column lang is no code of a language: 'Klingon'"):
        index.upsert(ITEMS.assign(lang=["en", "de", "Klingon"]), text="name", language="lang")
    with pytest.raises(TableError, match="missing column tongue; there are: item_id, name, lang"):
        index.upsert(ITEMS, text="name", language="tongue")
    with pytest.raises(InputError, match="the column language is a text"):
        record_languages(ITEMS.rename(columns={"name": "language"}), "auto", ["language"])
    assert index.count() == 0

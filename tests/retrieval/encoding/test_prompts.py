from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, EncoderMismatchError, InputError, ItemIndex
from retrieval.encoding.prompts import Prompts, resolve_prompts
from retrieval.encoding.weights import EncoderIdentity, find_weights

PROMPTS = {"query": "query: ", "item": "passage: "}


def _folder(path: Path, **config: object) -> Path:
    path.mkdir(parents=True)
    (path / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.X"}]')
    (path / "config_sentence_transformers.json").write_text(json.dumps(config))
    return path


def test_what_is_asked_and_what_is_kept_have_their_prompts(encoder: Encoder) -> None:
    prompted = Encoder(prompts=PROMPTS)
    bare = encoder.encode(["passage: whole milk", "query: whole milk", "whole milk"])
    np.testing.assert_allclose(prompted.encode(["whole milk"])[0], bare[0], atol=1e-6)
    asked = prompted.encode(["whole milk"], side="query")[0]
    np.testing.assert_allclose(asked, bare[1], atol=1e-6)
    assert prompted.identity.as_dict() == {
        **encoder.identity.as_dict(),
        "query_prompt": "query: ",
        "item_prompt": "passage: ",
    }
    assert not prompted.identity.same_space(encoder.identity)
    with pytest.raises(InputError, match="unknown side 'label'; there are: query, item"):
        prompted.encode(["milk"], side="label")  # type: ignore[arg-type]


def test_an_index_asks_with_one_prompt_and_keeps_with_the_other(tmp_path: Path) -> None:
    prompted = Encoder(prompts=PROMPTS)
    items = pd.DataFrame({"item_id": ["a", "b"], "name": ["whole milk", "potato chips"]})
    with ItemIndex(str(tmp_path / "items.db"), prompted) as index:
        index.upsert(items, text="name")
        kept = index.vectors(["a", "b"])
        near = index.neighbors(["whole milk"], 1)
    np.testing.assert_allclose(kept, prompted.encode(items["name"].tolist()), atol=1e-6)
    asked = prompted.encode(["whole milk"], side="query")[0]
    assert near.similarity[0, 0] == pytest.approx(float(asked @ kept[0]), abs=1e-5)
    # Found again with its prompts by whoever names none, and refused to another.
    with ItemIndex(str(tmp_path / "items.db")) as index:
        assert index.encoder.identity == prompted.identity
    with pytest.raises(EncoderMismatchError, match="prompts 'query: ' and 'passage: '"):
        ItemIndex(str(tmp_path / "items.db"), Encoder())


def test_whether_a_text_can_be_read_is_not_told_by_its_prompt(tmp_path: Path) -> None:
    prompts = {"item": "Instruct: given a web search query, retrieve passages. Query: "}
    for _ in range(2):  # the second time from the cache
        reading = Encoder(prompts=prompts, cache_dir=tmp_path).read(["🥛🥛🥛 🧀🧀", "milk"])
        assert reading.readable.tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("m", {"prompts": {"query": "Q: ", "document": "D: "}}, Prompts("Q: ", "D: ")),
        ("m", {"prompts": {"query": "Instruct: x\nQuery:"}}, Prompts("Instruct: x\nQuery:", "")),
        ("m", {"prompts": {"query": "q ", "passage": "p "}}, Prompts("q ", "p ")),
        ("m", {"prompts": {"query": "", "document": ""}}, Prompts()),
        ("m", {}, Prompts()),
        ("multilingual-e5-small", {}, Prompts("query: ", "passage: ")),
        ("e5-base-v2", {"prompts": {"query": "", "document": ""}}, Prompts("query: ", "passage: ")),
        ("multilingual-e5-large-instruct", {}, Prompts()),
        (
            "bge-small-en-v1.5",
            {},
            Prompts("Represent this sentence for searching relevant passages: ", ""),
        ),
    ],
)
def test_a_model_tells_its_own_prompts(
    tmp_path: Path, name: str, config: dict[str, object], expected: Prompts
) -> None:
    folder = _folder(tmp_path / name, **config)
    assert resolve_prompts("model", str(folder), folder) == expected


def test_wrong_prompts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown side of prompts 'document'; there are: query"):
        Encoder(prompts={"document": "x"})
    with pytest.raises(InputError, match="prompts: that of 'query' is 1"):
        Encoder(prompts={"query": 1})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="prompts must be"):
        Encoder(prompts="own")  # type: ignore[arg-type]
    copy = tmp_path / "model"
    shutil.copytree(find_weights("all-MiniLM-L6-v2"), copy)
    pooling = copy / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "include_prompt": False}))
    with pytest.raises(InputError, match="leaves prompts out of its mean"):
        Encoder(str(copy), prompts=PROMPTS)


def test_an_encoder_without_options_is_what_it_was(encoder: Encoder) -> None:
    """Indexes, saved models and caches of earlier versions know these four fields and names."""
    identity = encoder.identity
    assert list(identity.as_dict()) == ["name", "revision", "backend", "dim"]
    assert EncoderIdentity(**identity.as_dict()) == identity
    assert encoder._cache.cache is not None
    made = f"{identity.revision}-{identity.backend}-{encoder.precision}"
    assert encoder._cache.path.name == f"vectors-{made}.sqlite"

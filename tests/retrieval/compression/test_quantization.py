from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval import Encoder, InputError, LabelsMoveError, quantize
from retrieval.encoding.weights import EncoderIdentity
from tests.encoders import shallow_encoder

pytest.importorskip("nncf")


@pytest.fixture(scope="module")
def small(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("small")
    shallow_encoder(encoder, folder, layers=1)
    return Encoder(str(folder), backend="openvino")


@pytest.fixture(scope="module")
def table(products: pd.DataFrame) -> pd.DataFrame:
    kept = products.drop_duplicates("product_type")
    return kept.assign(text=kept["product_type"] + " " + kept["department"])[:160]


def test_whole_numbers_are_close_and_are_another_encoder(
    small: Encoder, table: pd.DataFrame, tmp_path: Path
) -> None:
    texts, labels = table["text"].tolist(), table["department"].tolist()
    report = quantize(small, texts, labels=labels, out=tmp_path / "int8", most_moved=0.05)
    assert report.calibrated_on + report.judged_on == len(set(texts))
    assert report.accuracy_before is not None and report.accuracy_after is not None
    assert report.moved <= 0.05 and report.cosine > 0.9 and report.speedup > 0
    made = Encoder(str(tmp_path / "int8"))
    assert (made.identity.backend, made.precision) == ("openvino", "float32")
    vectors, own = made.encode(texts), small.encode(texts)
    assert 0.9 < (vectors * own).sum(axis=1).min() < 0.99999
    assert not made.identity.same_space(small.identity)
    again = Encoder(EncoderIdentity(**made.identity.as_dict()))
    np.testing.assert_array_equal(again.encode(texts[:3]), vectors[:3])
    kept = json.loads((tmp_path / "int8" / "openvino-int8" / "quantization.json").read_text())
    assert kept["moved"] == report.moved
    with pytest.raises(InputError, match="runs on OpenVINO and on the processor alone"):
        Encoder(str(tmp_path / "int8"), backend="torch")
    with pytest.raises(InputError, match="cannot be quantized"):
        quantize(made, texts, out=tmp_path / "twice")
    with pytest.raises(InputError, match="is there already"):
        quantize(small, texts, out=tmp_path / "int8")
    # Where labels move nothing is written; such as mean nothing hang by a thread.
    vague = [str(number % 7) for number in range(len(texts))]
    with pytest.raises(LabelsMoveError, match=r"another label .at most 0\.0% may move"):
        quantize(small, texts, labels=vague, out=tmp_path / "refused", most_moved=0)
    assert not (tmp_path / "refused").exists()


def test_what_cannot_be_quantized_is_refused(
    small: Encoder, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="3 different texts are too few; 100 are needed"):
        quantize(small, ["a", "b", "c", "a"], out=tmp_path / "few")
    with pytest.raises(InputError, match="1 labels for 160 texts"):
        quantize(small, table["text"].tolist(), labels=["a"], out=tmp_path / "labels")
    torch = Encoder(small.name, backend="torch")
    with pytest.raises(InputError, match="must be a transformer on OpenVINO"):
        quantize(torch, table["text"].tolist(), out=tmp_path / "torch")

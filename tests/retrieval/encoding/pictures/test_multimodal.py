from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError, ItemIndex, read_pictures

pytest.importorskip("PIL")

from tests.picture_models import COLORS, photo, text_and_picture_model


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """An encoder of text and pictures."""
    folder = tmp_path_factory.mktemp("colors")
    return Encoder(str(text_and_picture_model(folder)), cache_dir=folder / "cache")


def shots(count: int, first: int = 1_000) -> tuple[pd.Series, list[str]]:
    """Pictures of each color, and what they show."""
    names = [color for color in COLORS for _ in range(count)]
    return read_pictures([photo(one, first + row) for row, one in enumerate(names)]), names


def test_labels_in_words_name_pictures(colors: Encoder) -> None:
    pictures, names = shots(4)
    clf = NeighborClassifier(encoder=colors).fit(labels={one: f"{one} shirt" for one in COLORS})
    assert np.mean(clf.predict(pictures) == np.array(names)) >= 0.9


def test_words_find_pictures_in_an_index_and_pictures_find_words(colors: Encoder) -> None:
    pictures, names = shots(2)
    items = pd.DataFrame({"item_id": map(str, range(10)), "photo": pictures, "label": names})
    with ItemIndex(":memory:", colors) as index:
        index.upsert(items, image="photo", label="label")
        for color in COLORS:
            near = index.neighbors([f"{color} shirt"], k=2)
            assert set(near.labels[0]) == {color}
        assert index.layout.image == ("photo",) and index.layout.text == ("photo",)
        assert index.get(["0"])["text"].tolist() == ["[picture]"]
        assert (index.pictures(["0"])[0] or "").startswith("data:image/jpeg;base64,")


def test_an_item_may_have_a_text_a_picture_or_both(colors: Encoder) -> None:
    raw = [photo("red"), None, photo("blue")]
    items = pd.DataFrame(
        {"item_id": ["both", "text", "shot"], "name": ["red shirt", "red shirt", ""], "photo": raw}
    )
    with ItemIndex(":memory:", colors) as index:
        index.upsert(items, text="name", image="photo")
        near = index.neighbors(["red shirt"], k=3)
        assert near.ids[0].tolist()[2] == "shot"
        changed = items.assign(photo=[photo("green"), None, photo("blue")])
        assert index.upsert(changed, text="name", image="photo").changed == 1
        with pytest.raises(InputError, match="holds no text"):
            index.upsert(items.assign(name="", photo=None), text="name", image="photo")


def test_vectors_are_kept_by_content_wherever_the_picture_lay(
    colors: Encoder, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo("white"))
    first, second = read_pictures(["a.jpg", "b.jpg"], folder=tmp_path)
    assert first == second
    cached = Encoder(colors.name, cache_dir=tmp_path / "cache")
    made = cached.encode([first])
    again = Encoder(colors.name, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(again.encode([second]), made)
    assert again._loaded is None


def test_encoders_of_text_refuse_pictures(encoder: Encoder) -> None:
    pictures, _ = shots(1)
    with pytest.raises(InputError, match=r"reads no pictures.*efficientnet-lite2"):
        encoder.encode(pictures)
    with pytest.raises(InputError, match="reads no pictures"):
        Encoder("all-MiniLM-L6-v2 + all-MiniLM-L6-v2")

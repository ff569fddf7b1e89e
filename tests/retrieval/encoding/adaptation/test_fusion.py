from __future__ import annotations

import numpy as np
import pytest

from retrieval import Encoder, InputError, read_pictures, weigh_pictures

pytest.importorskip("PIL")

from tests.picture_models import COLORS, photo, text_and_picture_model

_GARMENTS = ("linen shirt", "leather shoes", "wool hat")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Text by the default encoder, pictures by a tiny one."""
    folder = text_and_picture_model(tmp_path_factory.mktemp("model"))
    return Encoder(f"all-MiniLM-L6-v2 + {folder}", cache_dir=folder / "cache")


def shop(each: int = 8) -> tuple[list[str], list[str], list[str]]:
    """Contents, what they are (told by the text), and of what color (told by the picture)."""
    rows = [(what, color, n) for what in _GARMENTS for color in COLORS for n in range(each)]
    words = read_pictures([photo(color, place) for place, (_, color, _) in enumerate(rows)])
    contents = [f"{what} no. {n} {word}" for (what, _, n), word in zip(rows, words, strict=True)]
    return contents, [what for what, _, _ in rows], [color for _, color, _ in rows]


def test_where_both_tell_something_both_are_taken(both: Encoder) -> None:
    contents, garments, colors = shop()
    labels = [f"{color} {what}" for color, what in zip(colors, garments, strict=True)]
    found = weigh_pictures(both, contents, labels)
    assert found.over_text.interval[0] > 0 and found.over_picture.interval[0] > 0
    assert found.name.startswith("all-MiniLM-L6-v2 + 0.")
    assert found.accuracy >= 0.9
    assert found.name in str(found)


def test_where_one_tells_all_it_is_taken_alone(both: Encoder) -> None:
    contents, garments, _ = shop(each=4)
    assert weigh_pictures(both, contents, garments).name == "all-MiniLM-L6-v2"
    shuffled = np.random.default_rng(0).permutation(garments)
    assert " + " not in weigh_pictures(both, contents, shuffled).name


def test_one_encoder_has_nothing_to_weigh(encoder: Encoder) -> None:
    with pytest.raises(InputError, match="is not two"):
        weigh_pictures(encoder, ["a", "b"], ["x", "y"])

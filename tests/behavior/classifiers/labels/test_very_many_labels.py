"""A head of very many labels works as a small one: here ten are as good as ten thousand."""

from pathlib import Path

import numpy as np
import pytest

from classifiers import NeighborClassifier
from classifiers.scorers import linear_head
from retrieval import Encoder
from tests.classifiers.conftest import Shelf


@pytest.fixture
def many(encoder: Encoder, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> NeighborClassifier:
    """Fitted on the shelf, whose ten labels are more than are fitted without sampling."""
    monkeypatch.setattr(linear_head, "_BUDGET", 100)
    assert linear_head.is_sampled(10)
    assert linear_head.affordable(10) > len(shelf.texts)
    return NeighborClassifier(encoder=encoder).fit(shelf.texts, shelf.labels)


def _accuracy(classifier: NeighborClassifier, shelf: Shelf) -> float:
    return float((classifier.predict(shelf.new_texts) == np.array(shelf.new_labels)).mean())


def test_its_head_is_as_good_as_one_that_is_not_sampled(
    many: NeighborClassifier, learned: NeighborClassifier, shelf: Shelf
) -> None:
    assert many.knowledge_.trained.decision.blend.shares["head"] > 0
    assert _accuracy(many, shelf) > _accuracy(learned, shelf) - 0.03
    # One head beside the last one: the examples of one fold are answered, and no others.
    assert 60 <= len(many.knowledge_.trained.answers) <= 100


def test_saved_and_loaded_it_answers_alike(
    many: NeighborClassifier, encoder: Encoder, shelf: Shelf, tmp_path: Path
) -> None:
    many.save(tmp_path / "model")
    loaded = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    some = shelf.new_texts[:50]
    np.testing.assert_array_equal(loaded.predict_proba(some), many.predict_proba(some))


def test_labels_and_examples_come_and_the_head_learns_them_when_asked(
    many: NeighborClassifier, shelf: Shelf
) -> None:
    tea = ["green tea bags", "chamomile tea", "black tea, loose leaf", "iced tea mix"]
    many.add_label("TEAS", "tea bags and iced tea").add_examples(tea, ["TEAS"] * 4)
    table = many.classify(["earl grey tea bags", shelf.new_texts[0]])
    assert table["label"][0] == "TEAS"
    assert table["parts"][0]["head"] is None
    many.refit_head()
    again = many.classify(["earl grey tea bags"])
    assert again["label"][0] == "TEAS"
    assert again["parts"][0]["head"] > 0

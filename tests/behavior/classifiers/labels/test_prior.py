"""Labels that will be as frequent as among the examples, alike, or as told."""

import numpy as np
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import Shelf

MIXED = ["beef broth", "cheese soup", "soup"]


@pytest.fixture(scope="module")
def lopsided(shelf: Shelf) -> tuple[list[str], list[str]]:
    """All beef and cheese, and five soups."""
    labels = np.array(shelf.labels)
    rows = np.concatenate(
        [
            np.flatnonzero(np.isin(labels, ["BEEF", "CHEESE"])),
            np.flatnonzero(labels == "SOUP")[:5],
        ]
    )
    return [shelf.texts[row] for row in rows], labels[rows].tolist()


def _soup(
    encoder: Encoder, examples: tuple[list[str], list[str]], prior: object
) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder, prior=prior).fit(*examples)  # type: ignore[arg-type]


def test_a_prior_moves_probability_to_the_rare(
    encoder: Encoder, lopsided: tuple[list[str], list[str]], shelf: Shelf
) -> None:
    plain, uniform = (_soup(encoder, lopsided, prior) for prior in (None, "uniform"))
    rare = plain.classes_.tolist().index("SOUP")
    texts = MIXED + shelf.new_texts
    before, now = (one.predict_proba(texts)[:, rare] for one in (plain, uniform))
    inside = (before > 1e-9) & (before < 1 - 1e-9)
    assert (now[inside] > before[inside]).all()
    np.testing.assert_allclose(uniform.predict_proba(texts).sum(axis=1), 1)
    soups = [text for text, y in zip(shelf.new_texts, shelf.new_labels, strict=True) if y == "SOUP"]
    recall = [(one.predict(soups) == "SOUP").mean() for one in (plain, uniform)]
    assert recall[1] >= recall[0]


def test_shares_can_be_told(encoder: Encoder, lopsided: tuple[list[str], list[str]]) -> None:
    uniform = _soup(encoder, lopsided, "uniform").predict_proba(MIXED)
    alike = _soup(encoder, lopsided, {"BEEF": 5, "CHEESE": 5, "SOUP": 5}).predict_proba(MIXED)
    np.testing.assert_allclose(alike, uniform, atol=1e-6)
    no_soup = _soup(encoder, lopsided, {"BEEF": 0.5, "CHEESE": 0.5, "SOUP": 1e-6})
    assert (no_soup.predict_proba(MIXED)[:, 2] < uniform[:, 2]).all()
    assert no_soup.predict(MIXED[:2]).tolist() == ["BEEF", "CHEESE"]

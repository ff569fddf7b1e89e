"""What an answer is worth: doubt, and the doubt of those like it, until one has an answer."""

import numpy as np
import pytest

from classifiers import LikeItems, uncertainty, worth

# Three alike, a pair, and one alone; unit rows.
_ANGLES = np.radians([0, 4, 8, 90, 94, 180])
_VECTORS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)]).astype(np.float32)


def test_like_items_are_found_exactly_and_without_the_item_itself() -> None:
    like = LikeItems.among(_VECTORS, 2)
    assert like.rows[:5].tolist()[:1] == [[1, 2]]
    assert like.rows[4, 0] == 3
    assert like.similarity[0] == pytest.approx(np.cos(np.radians([4, 8])), abs=1e-6)
    assert LikeItems.among(_VECTORS, 50).rows.shape == (6, 5)
    assert LikeItems.among(_VECTORS[:1], 3).rows.shape == (1, 0)


def test_of_many_twins_none_is_its_own_like() -> None:
    like = LikeItems.among(np.repeat(_VECTORS[:1], 40, axis=0), 3)
    assert like.rows.shape == (40, 3)
    assert not (like.rows == np.arange(40)[:, None]).any()
    assert like.similarity == pytest.approx(np.ones((40, 3)))


def test_the_middle_of_the_largest_doubtful_region_comes_first() -> None:
    like = LikeItems.among(_VECTORS, 3)
    gain = worth(np.ones(6), like)
    assert gain.argmax() == 1
    assert gain[3] > gain[5]
    assert worth(np.array([0, 0, 0, 0, 0, 1.0]), like).argmax() == 5


def test_what_an_answer_on_its_way_settles_counts_no_more() -> None:
    like = LikeItems.among(_VECTORS, 3)
    after = worth(np.ones(6), like, taken=np.array([1]))
    assert after.argmax() in (3, 4)
    assert after[0] < after[5]


def test_uncertainty_is_one_less_the_lead_and_all_of_it_for_the_unknown() -> None:
    proba = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.9, 0.1, 0.0]])
    found = uncertainty(proba, np.array([True, True, False]))
    assert found == pytest.approx([0.5, 1.0, 1.0])
    assert uncertainty(np.ones((2, 1)), np.array([True, False])).tolist() == [0.0, 1.0]

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError, ItemIndex, TableError
from tests.classifiers.conftest import TEXT

NEW = ["espresso beans, dark roast 12 OZ", "shredded mozzarella", "lavender hand wash refill"]
NEW_LABELS = ["COFFEE", "CHEESE", "SOAP - LIQUID & BAR"]


@pytest.fixture(scope="module")
def fitted(encoder: Encoder, groceries: pd.DataFrame) -> NeighborClassifier:
    """Pure neighbors: what the index' own votes say, and nothing learned from them."""
    X = groceries[["item_id", *TEXT]]
    pure = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
    return pure.fit(X, groceries["category"])


# --- the main job -------------------------------------------------------------------------------


def test_new_items_get_the_label_of_the_items_they_are_like(fitted: NeighborClassifier) -> None:
    assert fitted.predict(NEW).tolist() == NEW_LABELS
    assert fitted.score(NEW, NEW_LABELS) == 1.0


def test_probabilities_are_shares_of_the_vote(fitted: NeighborClassifier) -> None:
    proba = fitted.predict_proba(NEW)
    assert proba.shape == (3, 4)
    assert np.allclose(proba.sum(axis=1), 1)
    assert fitted.classes_.tolist() == sorted(fitted.classes_)
    assert (fitted.classes_[proba.argmax(axis=1)] == fitted.predict(NEW)).all()


def test_classify_explains_each_label_by_its_neighbors(fitted: NeighborClassifier) -> None:
    table = fitted.classify(pd.Series(NEW, index=["e", "m", "l"]))
    assert list(table) == [
        *(
            "item_id",
            "label",
            "probability",
            "known",
            "why",
            "novelty",
            "label_set",
            "assured",
            "neighbors",
            "parts",
        )
    ]
    assert table["item_id"].tolist() == ["e", "m", "l"]
    assert table["label"].tolist() == NEW_LABELS
    for row in table.itertuples():
        # Twins are one line; more than 20 may share the last places.
        assert sum(each["count"] for each in row.neighbors) >= 20
        assert sum(each["count"] for each in row.neighbors[:-1]) < 20
        assert set(row.neighbors[0]) == {"item_id", "label", "similarity", "weight", "count"}
        similarity = [each["similarity"] for each in row.neighbors]
        assert similarity == sorted(similarity, reverse=True)
        assert sum(each["weight"] for each in row.neighbors) == pytest.approx(1)
        votes = sum(each["weight"] for each in row.neighbors if each["label"] == row.label)
        assert votes == pytest.approx(row.probability)
        assert row.parts == {"neighbors": row.probability}


def test_table_and_probabilities_at_once_are_those_of_each(
    encoder: Encoder, groceries: pd.DataFrame
) -> None:
    learned = NeighborClassifier(encoder=encoder).fit(
        groceries[["item_id", *TEXT]], groceries["category"]
    )
    new = pd.Series(NEW, index=["e", "m", "l"])
    table, proba = learned.classify_with_proba(new, neighbors=3, coverage=0.7)
    expected = learned.classify(new, neighbors=3, coverage=0.7)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert (proba == learned.predict_proba(new)).all()


def test_the_labels_table_survives_parquet(fitted: NeighborClassifier, tmp_path: Path) -> None:
    table = fitted.classify(NEW)
    table.to_parquet(tmp_path / "labels.parquet")
    back = pd.read_parquet(tmp_path / "labels.parquet")
    assert back["label"].tolist() == table["label"].tolist()
    assert [dict(each) for each in back["neighbors"][0]] == table["neighbors"][0]


def test_weights_follow_from_similarity_and_temperature(fitted: NeighborClassifier) -> None:
    neighbors = fitted.classify(NEW[:1])["neighbors"][0]
    similarity = np.array([each["similarity"] for each in neighbors])
    places = np.array([each["count"] for each in neighbors], dtype=float)
    ends = int((similarity > similarity[-1] + 1e-6).sum())
    # Those that tie for the last places share what is left of the 20.
    places[ends:] *= (20 - places[:ends].sum()) / places[ends:].sum()
    votes = places * np.exp(similarity / 0.05)
    assert [each["weight"] for each in neighbors] == pytest.approx(votes / votes.sum(), rel=1e-5)


def test_an_item_does_not_vote_on_itself(
    fitted: NeighborClassifier, groceries: pd.DataFrame
) -> None:
    table = fitted.classify(groceries[["item_id", *TEXT]])
    assert table["item_id"].tolist() == groceries["item_id"].tolist()
    for own, neighbors in zip(table["item_id"], table["neighbors"], strict=True):
        assert own not in {each["item_id"] for each in neighbors}


@pytest.mark.digits
def test_batches_do_not_change_the_answer(
    fitted: NeighborClassifier, groceries: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = groceries[["item_id", *TEXT]]
    whole_proba, whole_table = fitted.predict_proba(X), fitted.classify(X)
    monkeypatch.setattr("classifiers.prediction._BATCH_VOTES", 20 * 7)
    np.testing.assert_allclose(fitted.predict_proba(X), whole_proba, atol=1e-6)
    pd.testing.assert_series_equal(fitted.classify(X)["label"], whole_table["label"])


def test_no_items_give_no_rows(fitted: NeighborClassifier) -> None:
    assert fitted.predict_proba([]).shape == (0, 4)
    assert fitted.classify([]).empty


# --- an index of one's own ----------------------------------------------------------------------


def test_the_labels_of_an_index_are_learned_from_it(index: ItemIndex) -> None:
    clf = NeighborClassifier(index=index).fit()
    assert clf.classes_.tolist() == index.labels()
    assert clf.predict(NEW).tolist() == NEW_LABELS


def test_as_many_voters_are_listed_as_asked_for(index: ItemIndex) -> None:
    table = NeighborClassifier(index=index, k=50).fit().classify(NEW, neighbors=3)
    assert table["neighbors"].map(len).eq(3).all()
    # Weights stay shares of the whole vote, of which only a part is listed.
    assert all(sum(one["weight"] for one in listed) < 1 for listed in table["neighbors"])


def test_examples_go_into_an_index_of_ones_own_once(tmp_path: Path, encoder: Encoder) -> None:
    texts, y = (
        ["arabica coffee", "cheddar cheese", "cheddar cheese"],
        ["coffee", "cheese", "cheese"],
    )
    with ItemIndex(str(tmp_path / "mine.db"), encoder=encoder) as mine:
        clf = NeighborClassifier(index=mine).fit(texts, y)
        assert mine.count() == 3
        clf.fit(texts, y)
        assert mine.count() == 3
        assert clf.predict(["gouda"]).tolist() == ["cheese"]


def test_labels_that_came_after_fit_are_not_ignored(tmp_path: Path, encoder: Encoder) -> None:
    with ItemIndex(str(tmp_path / "mine.db"), encoder=encoder) as mine:
        early = NeighborClassifier(index=mine).fit(["arabica coffee"], ["coffee"])
        NeighborClassifier(index=mine).fit(["cheddar"], ["cheese"])
        with pytest.raises(InputError, match="'cheese'; fit again"):
            early.predict(["gouda"])
        assert early.fit().predict(["gouda"]).tolist() == ["cheese"]


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [[7, 12, 7], [True, False, True]])
def test_predictions_are_of_the_kind_of_the_labels(encoder: Encoder, y: list[int]) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese", "espresso"], y)
    assert clf.predict(["latte", "gouda"]).tolist() == y[:2]
    assert clf.classes_.dtype == np.array(y).dtype


def test_one_class_is_all_there_is(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "tea"], ["drink", "drink"])
    assert clf.predict_proba(["soap"]).tolist() == [[1.0]]


@pytest.mark.parametrize("k", [0, -3, 2.5, "20", None, True])
def test_k_must_be_a_positive_integer(k: object) -> None:
    with pytest.raises(InputError, match="k must be an integer of at least 1"):
        NeighborClassifier(k=k).fit(["a text"], ["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature must be above 0"):
        NeighborClassifier(temperature=temperature).fit(["a text"], ["a"])


def test_arguments_of_fit_must_make_sense_together(index: ItemIndex, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fit needs X and y"):
        NeighborClassifier().fit()
    with pytest.raises(InputError, match="fit needs X and y"):
        NeighborClassifier().fit(["a text"])
    with pytest.raises(InputError, match="takes prototypes=True"):
        NeighborClassifier(index=index, head=None).fit(labels=["a"])
    with pytest.raises(InputError, match="convert y to strings"):
        NeighborClassifier(index=index).fit(["a text"], [1])
    with pytest.raises(InputError, match="pass an index or an encoder"):
        NeighborClassifier(index=index, encoder=Encoder(cache_dir=False)).fit()
    empty = ItemIndex(str(tmp_path / "empty.db"), encoder=index.encoder)
    with empty, pytest.raises(InputError, match="is empty; upsert items first"):
        NeighborClassifier(index=empty).fit()


def test_bad_items_to_label_are_refused(
    fitted: NeighborClassifier, groceries: pd.DataFrame
) -> None:
    with pytest.raises(InputError, match="row 2 is not a text"):
        fitted.predict(["fine", ""])
    with pytest.raises(InputError, match="no text column brand"):
        fitted.predict(groceries[["product_type", "package_size"]])
    with pytest.raises(InputError, match="2 dates for 3 items"):
        fitted.predict(NEW, as_of=["2024-01-01", "2024-01-02"])


# --- the private index --------------------------------------------------------------------------


def test_each_fit_starts_afresh(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee"], ["a"])
    first = Path(clf.index_.uri)
    clf.fit(["cheese"], ["b"])
    assert not first.exists()
    assert clf.predict(["coffee"]).tolist() == ["b"]


def test_a_fit_that_fails_changes_nothing(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["a", "b"])
    uri = clf.index_.uri
    twice = pd.DataFrame({"item_id": ["x", "x"], "name": ["tea", "milk"]})
    with pytest.raises(TableError, match="more than once"):
        clf.fit(twice, ["c", "d"])
    assert clf.index_.uri == uri
    assert clf.predict(["espresso", "gouda"]).tolist() == ["a", "b"]

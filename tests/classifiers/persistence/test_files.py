from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from classifiers import NeighborClassifier
from retrieval import (
    ArtifactError,
    Encoder,
    EncoderMismatchError,
    InputError,
    ItemIndex,
)
from retrieval.artifact import write_artifact

TEXT = ["product_type", "package_size", "brand"]
NEW = ["espresso beans, dark roast 12 OZ", "shredded mozzarella", "lavender hand wash refill"]
# What numpy's strings of fixed width, JSON, Parquet or Markdown could trip over.
DESCRIBED = {
    "CHEESE": "cheese",
    "COFFEE": ["coffee", "espresso"],
    "TEA\x00": "leaves for tea",
    '"tea" | thé\n\\ 茶 🍵': "herbal tea",
    "NaN": "not a number",
    "7": "seven",
}
PARENTS = {"CHEESE": "food", "COFFEE": "food", "FROZEN PIZZA": "food", "food": "all"}

Fit = Callable[[Encoder, pd.DataFrame], NeighborClassifier]


def _described(encoder: Encoder, items: pd.DataFrame) -> NeighborClassifier:
    unlabeled = items["product_type"].head(30)
    return NeighborClassifier(encoder=encoder).fit(labels=DESCRIBED, unlabeled=unlabeled)


def _paths(encoder: Encoder, items: pd.DataFrame) -> NeighborClassifier:
    shelves = items["category"].map(lambda name: f"shop > {name[:4]} > {name}")
    return NeighborClassifier(encoder=encoder, hierarchy=" > ").fit(items[TEXT], shelves)


def _lists(encoder: Encoder, items: pd.DataFrame) -> NeighborClassifier:
    drink = items["category"].isin(["COFFEE", "CHEESE"])
    y = [[name, *["breakfast"] * b] for name, b in zip(items["category"], drink, strict=True)]
    return NeighborClassifier(encoder=encoder).fit(items[["item_id", *TEXT]], [*y[:-1], []])


def _outside(encoder: Encoder, items: pd.DataFrame) -> NeighborClassifier:
    mine = items["category"] != "COFFEE"
    others = items[~mine]["product_type"].tolist()
    X, y = items[mine]["product_type"].tolist(), items[mine]["category"]
    clf = NeighborClassifier(encoder=encoder, prior=dict.fromkeys(y, 1 / 3), k=np.int64(5))
    return clf.fit(X, y, labels={"CHEESE": "cheese"}, outside=others)


def _groceries(encoder: Encoder, items: pd.DataFrame, **options: Any) -> NeighborClassifier:
    clf = NeighborClassifier(encoder=encoder, **options)
    return clf.fit(items[["item_id", *TEXT]], items["category"])


def _one_rare(encoder: Encoder, items: pd.DataFrame) -> NeighborClassifier:
    few = items.drop(items[items["category"] == "COFFEE"].index[4:])
    clf = _groceries(encoder, few)
    sets = clf.knowledge_.trained.decision.label_sets
    assert sets is not None
    assert len(sets.scores) > len(sets.out_of_fold), "a label was cut for the sake of the rare one"
    return clf


FITTED: dict[str, Fit] = {
    "examples": _groceries,
    "few examples": lambda encoder, items: _groceries(encoder, items.iloc[::20]),
    "a rare label": _one_rare,
    "descriptions and unlabeled": _described,
    "no head": lambda encoder, items: _groceries(encoder, items, head=None, temperature=0.2),
    "votes that do not fade": lambda encoder, items: _groceries(
        encoder, items, head=None, temperature=np.inf
    ),
    "any number of labels": _lists,
    "paths": _paths,
    "parents, uniform": lambda encoder, items: _groceries(
        encoder, items, hierarchy=PARENTS, prior="uniform"
    ),
    "outside, prior": _outside,
    "integers": lambda encoder, items: NeighborClassifier(
        encoder=encoder, prior={0: 0.5, 1: 0.5}, calibrate=False
    ).fit(items["product_type"], np.arange(len(items), dtype=np.int32) % 2),
    "booleans": lambda encoder, items: NeighborClassifier(encoder=encoder).fit(
        items["product_type"], items["category"] == "COFFEE"
    ),
}


def _assert_same_answers(one: NeighborClassifier, other: NeighborClassifier, X: Any) -> None:
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    np.testing.assert_array_equal(other.novelty(X), one.novelty(X))
    assert other.predict(X).dtype == one.predict(X).dtype
    pd.testing.assert_frame_equal(other.classify(X), one.classify(X), check_exact=True)


def _assert_equal(one: Any, other: Any) -> None:
    """Compare what is learned part by part, down to the arrays."""
    if is_dataclass(other):
        assert type(one) is type(other)
        for field in fields(other):
            _assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(other, dict):
        assert list(one) == list(other)
        for key, value in other.items():
            _assert_equal(one[key], value)
    elif isinstance(other, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_dtype=False, check_index_type=False)
    elif isinstance(other, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("case", FITTED)
def test_a_loaded_classifier_answers_the_same_bit_for_bit(
    case: str, encoder: Encoder, groceries: pd.DataFrame, tmp_path: Path
) -> None:
    clf = FITTED[case](encoder, groceries)
    before = clf.predict_proba(NEW)
    clf.save(tmp_path / "model")
    np.testing.assert_array_equal(clf.predict_proba(NEW), before)
    loaded = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert loaded.classes_.tolist() == clf.classes_.tolist()
    _assert_same_answers(clf, loaded, NEW)
    # Examples are among these questions.
    items = groceries.assign(text=groceries["product_type"])
    _assert_same_answers(clf, loaded, items[["item_id", *clf.index_.layout.text]])
    _assert_equal(loaded.knowledge_, clf.knowledge_)
    _assert_equal(loaded.tree_, clf.tree_)
    mine, its = clf.get_params(), loaded.get_params()
    assert {**its, "encoder": mine["encoder"]} == mine


@pytest.fixture(scope="module")
def saved(encoder: Encoder, groceries: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Groceries but for coffee: the classifier, and where it lies."""
    clf = _groceries(encoder, groceries[groceries["category"] != "COFFEE"])
    path = tmp_path_factory.mktemp("saved") / "model"
    clf.save(path)
    return clf, path


def test_it_goes_on_learning(saved: Any, encoder: Encoder, groceries: pd.DataFrame) -> None:
    _, path = saved
    one, other = (NeighborClassifier.load(path, encoder=encoder) for _ in range(2))
    coffee = groceries[groceries["category"] == "COFFEE"]
    assert "COFFEE" not in one.predict(NEW)
    one.add_examples(coffee[["item_id", *TEXT]], coffee["category"])
    assert one.predict(NEW)[0] == "COFFEE"
    assert one.classify(NEW[:1])["parts"][0]["head"] is None
    assert one.refit_head().classify(NEW[:1])["parts"][0]["head"] > 0
    one.add_label("TEA", "tea leaves, green tea, black tea")
    assert one.predict(["a box of green tea"])[0] == "TEA"
    assert one.remove_examples(coffee["item_id"].tolist()) == len(coffee)
    assert "COFFEE" not in one.classes_
    assert "COFFEE" not in one.predict(NEW)
    # The other one, loaded from the same folder, has items of its own.
    assert other.predict(NEW).tolist() == saved[0].predict(NEW).tolist()


def test_what_was_learned_after_loading_is_saved_again(
    saved: Any, encoder: Encoder, groceries: pd.DataFrame, tmp_path: Path
) -> None:
    clf = NeighborClassifier.load(saved[1], encoder=encoder)
    coffee = groceries[groceries["category"] == "COFFEE"]
    clf.add_examples(coffee[["item_id", *TEXT]], coffee["category"])
    clf.add_label("TEA", "tea leaves")
    clf.save(tmp_path / "model")
    clf.save(tmp_path / "model")
    again = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    _assert_same_answers(clf, again, [*NEW, "a box of green tea"])
    assert again.remove_examples(coffee["item_id"].tolist()) == len(coffee)


def test_a_clone_of_a_loaded_classifier_fits_anew(
    saved: Any, encoder: Encoder, groceries: pd.DataFrame
) -> None:
    loaded = NeighborClassifier.load(saved[1], encoder=encoder)
    assert loaded.get_params()["encoder"] is encoder
    fitted = clone(loaded).fit(groceries["product_type"], groceries["category"])
    assert fitted.predict(NEW)[0] == "COFFEE"


def test_the_encoder_is_found_by_its_name(saved: Any) -> None:
    clf, path = saved
    np.testing.assert_array_equal(
        NeighborClassifier.load(path).predict_proba(NEW), clf.predict_proba(NEW)
    )


def test_the_folder_holds_plain_files_and_a_card(saved: Any) -> None:
    _, path = saved
    assert {file.suffix for file in path.iterdir()} == {".json", ".npz", ".parquet", ".md"}
    card = (path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card")
    assert "- examples: 120" in card


# --- an index of one's own -----------------------------------------------------------------------


def test_an_index_of_ones_own_is_named_and_not_copied(index: ItemIndex, tmp_path: Path) -> None:
    clf = NeighborClassifier(index=index).fit()
    clf.save(tmp_path / "model")
    with pytest.raises(InputError, match=r"collection 'items' of .*items\.db.*index="):
        NeighborClassifier.load(tmp_path / "model")
    loaded = NeighborClassifier.load(tmp_path / "model", index=index)
    assert loaded.index_ is index
    _assert_same_answers(clf, loaded, NEW)
    late = {"as_of": "2023-06-01", "where": {"fold": ["0"]}}
    np.testing.assert_array_equal(loaded.predict_proba(NEW, **late), clf.predict_proba(NEW, **late))
    assert not (tmp_path / "model" / "items.parquet").exists()
    assert not (tmp_path / "model" / "vectors.npz").exists()


def test_an_address_is_saved_without_password(
    index: ItemIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf = NeighborClassifier(index=index).fit()
    monkeypatch.setattr(index._store, "uri", "https://ana:secret@milvus.example:19530/db")
    clf.save(tmp_path / "model")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert b"https://milvus.example:19530/db" in everything
    assert b"secret" not in everything


def test_an_index_too_many_is_refused(saved: Any, index: ItemIndex) -> None:
    with pytest.raises(InputError, match="holds its items itself"):
        NeighborClassifier.load(saved[1], index=index)


# --- what is refused -----------------------------------------------------------------------------


def test_only_a_fitted_classifier_is_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        NeighborClassifier().save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_another_encoder_is_refused(saved: Any, encoder: Encoder, tmp_path: Path) -> None:
    other = _copy_of_the_weights(encoder, tmp_path)
    with pytest.raises(EncoderMismatchError, match="was saved with encoder 'all-MiniLM-L6-v2'"):
        NeighborClassifier.load(saved[1], encoder=other)


def test_an_index_of_another_encoder_is_refused(
    index: ItemIndex, encoder: Encoder, groceries: pd.DataFrame, tmp_path: Path
) -> None:
    NeighborClassifier(index=index).fit().save(tmp_path / "model")
    other = _copy_of_the_weights(encoder, tmp_path)
    with (
        ItemIndex(str(tmp_path / "other.db"), encoder=other) as elsewhere,
        pytest.raises(EncoderMismatchError, match="their vectors cannot be compared"),
    ):
        NeighborClassifier.load(tmp_path / "model", index=elsewhere)


def test_an_encoder_that_moved_is_asked_for(saved: Any, encoder: Encoder, tmp_path: Path) -> None:
    moved = replace(encoder.identity, name=str(tmp_path / "gone"))
    write_artifact(
        tmp_path / "model", kind="NeighborClassifier", encoder=moved, files=_files(saved[1])
    )
    with pytest.raises(InputError, match=r"no encoder '.*gone'.*pass it as encoder="):
        NeighborClassifier.load(tmp_path / "model")
    loaded = NeighborClassifier.load(tmp_path / "model", encoder=encoder)
    assert loaded.predict(NEW).tolist() == saved[0].predict(NEW).tolist()


def _copy_of_the_weights(encoder: Encoder, folder: Path) -> Encoder:
    """Return the same model, but for one more file: another revision."""
    weights = folder / "weights"
    weights.mkdir()
    for path in encoder._weights.iterdir():
        (weights / path.name).symlink_to(path)
    (weights / "tuned.txt").write_text("by hand")
    return Encoder(str(weights))


def test_a_tampered_folder_is_refused(saved: Any, encoder: Encoder, tmp_path: Path) -> None:
    clf, _ = saved
    clf.save(tmp_path / "model")
    card = tmp_path / "model" / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace("120", "999"), encoding="utf-8")
    with pytest.raises(ArtifactError, match="checksum"):
        NeighborClassifier.load(tmp_path / "model", encoder=encoder)


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.pop("knowledge.npz"),
        lambda files: files["classifier.json"].pop("parameters"),
        lambda files: files["knowledge.json"].update(dtype="nonsense"),
        lambda files: files["knowledge.json"].update(classes=7),
        lambda files: files["knowledge.json"]["options"].update(later="version"),
    ],
)
def test_a_foreign_artifact_is_refused(
    change: Callable[[Any], Any], saved: Any, encoder: Encoder, tmp_path: Path
) -> None:
    files = _files(saved[1])
    change(files)
    write_artifact(
        tmp_path / "model", kind="NeighborClassifier", encoder=encoder.identity, files=files
    )
    with pytest.raises(ArtifactError):
        NeighborClassifier.load(tmp_path / "model", encoder=encoder)


def _files(path: Path) -> dict[str, Any]:
    """Return what is in a saved folder, as `write_artifact` takes it."""
    files: dict[str, Any] = {one.name: dict(np.load(one)) for one in path.glob("*.npz")}
    files |= {one.name: pd.read_parquet(one) for one in path.glob("*.parquet")}
    for name in ("classifier.json", "knowledge.json"):
        files[name] = json.loads((path / name).read_text(encoding="utf-8"))
    return files

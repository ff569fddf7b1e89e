from collections import Counter

import numpy as np
import pytest

from classifiers import NeighborClassifier
from classifiers.decision.like_sized import PLENTY
from classifiers.decision.novelty import Novelty
from classifiers.scorers.ensemble import ANY, HEAD, NEIGHBORS, PROTOTYPES
from retrieval import Encoder
from tests.classifiers.conftest import ASTRONOMY, Shelf


def test_everything_is_learned_where_there_are_enough_examples(
    learned: NeighborClassifier, shelf: Shelf
) -> None:
    trained = learned.knowledge_.trained
    for decision, parts in (
        (trained.decision, {NEIGHBORS, PROTOTYPES, HEAD}),
        (trained.votes_decision, {NEIGHBORS}),
    ):
        assert set(decision.blend.shares) == {*parts, ANY}
        assert sum(decision.blend.shares.values()) == pytest.approx(1)
        assert np.isfinite(decision.novelty.threshold)
        assert set(decision.closeness) == set(learned.classes_)
        assert decision.label_sets is not None
        assert len(decision.label_sets.out_of_fold) == 400
        counts = Counter(shelf.labels)
        assert decision.sizes == {label: min(n, PLENTY) for label, n in counts.items()}
        assert decision.thresholds is None


def test_the_summary_is_what_the_classifier_said_out_of_fold(
    learned: NeighborClassifier, shelf: Shelf
) -> None:
    answers = learned.knowledge_.trained.answers
    assert sorted(answers["label"]) == sorted(shelf.labels)
    right = (answers["label"] == answers["predicted"]).mean()
    assert right > 0.9
    # Calibrated: it is right about as often as it says.
    assert answers["probability"].mean() == pytest.approx(right, abs=0.04)
    threshold = learned.knowledge_.trained.decision.novelty.threshold
    assert (answers["novelty"] > threshold).mean() == pytest.approx(0.05, abs=0.01)


def test_new_items_are_answered_as_well_as_out_of_fold_ones(
    learned: NeighborClassifier, shelf: Shelf
) -> None:
    table = learned.classify(shelf.new_texts)
    right = (table["label"] == shelf.new_labels).mean()
    assert right > 0.95
    assert table["probability"].mean() == pytest.approx(right, abs=0.04)
    assert (~table["known"]).mean() < 0.1
    covered = [
        label in labels for label, labels in zip(shelf.new_labels, table["label_set"], strict=True)
    ]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.05)
    assert not learned.classify(ASTRONOMY)["known"].any()


def test_too_few_examples_leave_the_defaults(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["green tea", "black tea", "soap"], list("aab"))
    trained = clf.knowledge_.trained
    assert trained.answers.empty
    assert list(trained.answers) == ["label", "predicted", "probability", "novelty", "known"]
    assert trained.decision.label_sets is None
    assert trained.decision.novelty.threshold == Novelty.unlearned().threshold
    assert (trained.decision.scaling.slope, trained.decision.scaling.offset) == (1.0, 0.0)
    assert clf.classify(["green tea bags"])["known"].all()


def test_without_calibration_the_shares_stay_and_the_rest_is_learned(
    encoder: Encoder, shelf: Shelf
) -> None:
    plain = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
    plain.fit(shelf.texts[:150], shelf.labels[:150])
    decision = plain.knowledge_.trained.decision
    assert decision.blend.shares == {NEIGHBORS: 1.0, ANY: 0.0}
    assert decision.scaling.slope == 1.0
    assert np.isfinite(decision.novelty.threshold)
    learning = NeighborClassifier(encoder=encoder, head=None)
    learning.fit(shelf.texts[:150], shelf.labels[:150])
    assert learning.knowledge_.trained.decision.blend.shares[ANY] > 0
    assert learning.knowledge_.trained.decision.scaling.slope != 1.0


def test_the_wanted_rate_of_false_alarms_is_kept(encoder: Encoder, shelf: Shelf) -> None:
    clf = NeighborClassifier(encoder=encoder, head=None, false_alarm_rate=0.3)
    clf.fit(shelf.texts[:200], shelf.labels[:200])
    answers = clf.knowledge_.trained.answers
    threshold = clf.knowledge_.trained.decision.novelty.threshold
    assert (answers["novelty"] > threshold).mean() == pytest.approx(0.3, abs=0.02)


def test_items_outside_set_the_threshold(encoder: Encoder, shelf: Shelf) -> None:
    clf = NeighborClassifier(encoder=encoder, head=None)
    clf.fit(shelf.texts[:200], shelf.labels[:200], outside=ASTRONOMY[:6])
    assert clf.classify(ASTRONOMY[6:])["known"].mean() < 0.35
    assert clf.classify(shelf.new_texts)["known"].mean() > 0.97


def test_the_same_seed_gives_the_same_classifier(encoder: Encoder, shelf: Shelf) -> None:
    def fitted(seed: int) -> NeighborClassifier:
        clf = NeighborClassifier(encoder=encoder, head=None, random_state=seed)
        return clf.fit(shelf.texts[:80], shelf.labels[:80])

    one, again, other = fitted(1), fitted(1), fitted(2)
    texts = shelf.new_texts[:9]
    assert (one.predict_proba(texts) == again.predict_proba(texts)).all()
    assert (one.novelty(texts) == again.novelty(texts)).all()
    # Another seed cuts other folds.
    assert (one.novelty(texts) != other.novelty(texts)).any()


def test_lists_of_labels_get_thresholds(encoder: Encoder, shelf: Shelf) -> None:
    food = {"DOG FOODS", "SOUP", "CHEESE", "FROZEN PIZZA", "BEEF"}
    y = [[label, "food"] if label in food else [label] for label in shelf.labels]
    clf = NeighborClassifier(encoder=encoder).fit(shelf.texts[:200], y[:200])
    decision = clf.knowledge_.trained.decision
    assert decision.label_sets is None
    assert decision.thresholds is not None
    assert set(decision.thresholds) == {*shelf.labels, "food"}
    truth = [{label, "food"} if label in food else {label} for label in shelf.new_labels]
    said = [set(labels) for labels in clf.predict(shelf.new_texts)]
    assert np.mean([one == other for one, other in zip(said, truth, strict=True)]) > 0.9

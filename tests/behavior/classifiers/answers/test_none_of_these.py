"""Items of no known label: novelty, and `known` at a wanted rate of false alarms."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from classifiers import NeighborClassifier, evaluate
from retrieval import Encoder, InputError, UnreadTextWarning
from tests.classifiers.conftest import ASTRONOMY, Shelf


def _false_alarms(classifier: NeighborClassifier, shelf: Shelf) -> int:
    return int((~classifier.classify(shelf.new_texts)["known"]).sum())


def test_foreign_texts_are_unknown(learned: NeighborClassifier) -> None:
    assert not learned.classify(ASTRONOMY)["known"].any()


def test_false_alarms_are_as_rare_as_wanted(learned: NeighborClassifier, shelf: Shelf) -> None:
    n = len(shelf.new_texts)
    # The threshold was estimated on as many examples, so the count varies twice as much as one's.
    assert _false_alarms(learned, shelf) <= binom.ppf(0.999, n, 0.05 * 1.5)
    assert _false_alarms(learned, shelf) > 0


def test_the_rate_can_be_chosen(encoder: Encoder, shelf: Shelf) -> None:
    wary = NeighborClassifier(encoder=encoder, false_alarm_rate=0.3).fit(shelf.texts, shelf.labels)
    assert 0.2 < _false_alarms(wary, shelf) / len(shelf.new_texts) < 0.4


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_the_rate_is_between_0_and_1(encoder: Encoder, rate: float) -> None:
    with pytest.raises(InputError, match="false_alarm_rate must be in"):
        NeighborClassifier(encoder=encoder, false_alarm_rate=rate).fit(["a"], ["b"])


def test_novelty_ranks_as_known_decides(learned: NeighborClassifier, shelf: Shelf) -> None:
    table = learned.classify(shelf.new_texts + ASTRONOMY)
    assert table.loc[table["known"], "novelty"].max() < table.loc[~table["known"], "novelty"].min()
    np.testing.assert_allclose(learned.novelty(ASTRONOMY), table["novelty"][-12:], atol=1e-4)


def test_pure_neighbors_know_strangers_too(encoder: Encoder, shelf: Shelf) -> None:
    pure = NeighborClassifier(encoder=encoder, head=None, calibrate=False)
    pure.fit(shelf.texts, shelf.labels)
    assert not pure.classify(ASTRONOMY)["known"].any()
    assert _false_alarms(pure, shelf) <= 0.1 * len(shelf.new_texts)


def test_a_label_left_out_is_a_stranger(encoder: Encoder, shelf: Shelf) -> None:
    kept = [row for row, label in enumerate(shelf.labels) if label not in ("SOUP", "VITAMINS")]
    clf = NeighborClassifier(encoder=encoder).fit(
        [shelf.texts[row] for row in kept], [shelf.labels[row] for row in kept]
    )
    is_new = np.isin(shelf.new_labels, ["SOUP", "VITAMINS"])
    assert roc_auc_score(is_new, clf.novelty(shelf.new_texts)) > 0.9


def test_examples_of_what_is_outside_set_the_threshold(encoder: Encoder, shelf: Shelf) -> None:
    clf = NeighborClassifier(encoder=encoder)
    clf.fit(shelf.texts, shelf.labels, outside=ASTRONOMY[:6])
    assert not clf.classify(ASTRONOMY[6:])["known"].any()
    assert clf.classify(shelf.new_texts)["known"].mean() > 0.95
    with pytest.raises(InputError, match="outside is empty"):
        clf.fit(shelf.texts, shelf.labels, outside=[])


def test_what_the_encoder_cannot_read_is_called_unknown_and_told(encoder: Encoder) -> None:
    happy, angry = ["😀", "😄", "😁", "😊", "🥳", "😍"], ["😡", "😠", "🤬", "👿", "😤", "💢"]
    words = ["what a lovely day", "I am so glad", "this is terrible", "how rude of them"]
    with pytest.warns(UnreadTextWarning, match=r"examples: of 16 texts 12 \(75%\)"):
        clf = NeighborClassifier(encoder=encoder, head=None).fit(
            [*happy, *angry, *words], ["happy"] * 6 + ["angry"] * 6 + ["happy"] * 2 + ["angry"] * 2
        )
    labels = clf.classify(["😂", "a lovely day", "牛奶饼干"])
    assert labels["known"].tolist() == [False, True, False]
    assert (labels["novelty"][[0, 2]] >= 1).all()
    with pytest.warns(UnreadTextWarning, match="items: of 2 texts 1 "):
        evaluate(clf, ["😂", "how rude"], ["happy", "angry"])
    with pytest.warns(UnreadTextWarning, match="labels: of 2 texts 1 "):
        NeighborClassifier(encoder=encoder).fit(labels=["snacks", "牛奶饼干"])

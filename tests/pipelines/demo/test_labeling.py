from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from pipelines.components import make_classifier, open_index
from pipelines.demo.complete_journey import HELD_OUT, LABEL, TEXT, CompleteJourney
from pipelines.demo.demo import demo_settings
from pipelines.demo.labeling import (
    CLASSIFIER,
    EVERY,
    HARDER,
    MAJORITY,
    METHODS,
    NAMES,
    VOTES,
    Labeling,
    _shares_a_word,
    label_held_out,
)
from retrieval import ItemIndex
from tests.pipelines.conftest import DemoRun


@pytest.fixture(scope="module")
def labeling(demo_run: DemoRun) -> Labeling:
    return demo_run.labeling


@pytest.fixture(scope="module")
def held(journey_slice: CompleteJourney) -> pd.DataFrame:
    items = journey_slice.items
    return items[items["fold"] == HELD_OUT].reset_index(drop=True)


@pytest.fixture(scope="module")
def index(demo_run: DemoRun) -> Iterator[ItemIndex]:
    """The one the demo made."""
    with open_index(demo_settings(demo_run.folder)) as index:
        yield index


@pytest.fixture
def classifier(demo_run: DemoRun, index: ItemIndex) -> NeighborClassifier:
    """As the demo has it, not fitted."""
    return make_classifier(demo_settings(demo_run.folder), index)


def test_every_held_out_product_is_labeled(labeling: Labeling, held: pd.DataFrame) -> None:
    labels = labeling.labels
    assert labels["item_id"].tolist() == held["product_id"].tolist()
    assert labels[LABEL].tolist() == held[LABEL].tolist()
    assert labels["label"].notna().all()
    assert labels["probability"].between(0, 1).all()


def test_only_products_of_other_types_vote(
    labeling: Labeling, held: pd.DataFrame, journey_slice: CompleteJourney
) -> None:
    catalog = journey_slice.items.set_index("product_id")
    voters = {near["item_id"] for row in labeling.labels["neighbors"] for near in row}
    assert len(voters) > 50
    assert not set(catalog.loc[list(voters), "product_type"]) & set(held["product_type"])


def test_what_is_held_out_changes_no_label(
    classifier: NeighborClassifier, journey_slice: CompleteJourney, labeling: Labeling
) -> None:
    items = journey_slice.items.copy()
    items.loc[items["fold"] == HELD_OUT, LABEL] = "garbage"
    blind = label_held_out(classifier, items)
    answers = ["item_id", "label", "probability", "neighbors"]
    pd.testing.assert_frame_equal(blind.labels[answers], labeling.labels[answers])
    assert blind.automatic.threshold == labeling.automatic.threshold
    assert blind.automatic.tuned_precision == labeling.automatic.tuned_precision
    assert blind.scores.loc[(EVERY, CLASSIFIER), "top1_item"] == 0


def test_the_scores_are_those_of_the_labels_given(labeling: Labeling, held: pd.DataFrame) -> None:
    right = labeling.labels["label"] == labeling.labels[LABEL]
    ours = labeling.scores.loc[(EVERY, CLASSIFIER)]
    assert ours["top1_item"] == pytest.approx(right.mean())
    assert ours["top1_type"] == pytest.approx(right.groupby(held["product_type"]).mean().mean())
    assert ours["n_items"] == len(held)
    assert ours["n_types"] == held["product_type"].nunique()
    assert (labeling.scores["top5_item"] >= labeling.scores["top1_item"]).all()
    assert 0 < ours["top1_item"] < ours["top5_item"] <= 1


def test_all_methods_stand_side_by_side_on_the_same_products(labeling: Labeling) -> None:
    expected = [(items, name) for items in (EVERY, HARDER) for name in METHODS]
    assert labeling.scores.index.tolist() == expected
    assert (labeling.scores.groupby("items")[["n_items", "n_types"]].nunique() == 1).all(axis=None)


def test_the_majority_is_the_most_frequent_label_of_the_labeled(
    labeling: Labeling, held: pd.DataFrame, journey_slice: CompleteJourney
) -> None:
    most = journey_slice.items["label"].value_counts()
    score = labeling.scores.loc[(EVERY, MAJORITY)]
    assert score["top1_item"] == pytest.approx((held[LABEL] == most.index[0]).mean())
    assert score["top5_item"] == pytest.approx(held[LABEL].isin(most.index[:5]).mean())


def test_names_alone_know_the_labels_and_no_product(
    labeling: Labeling, held: pd.DataFrame, journey_slice: CompleteJourney
) -> None:
    names = sorted(journey_slice.items["label"].dropna().unique())
    texts = held[list(TEXT)].fillna("").agg(" ".join, axis=1)
    alone = NeighborClassifier(encoder=None).fit(labels=names).predict(texts.tolist())
    found = labeling.scores.loc[(EVERY, NAMES), "top1_item"]
    assert found == pytest.approx((alone == held[LABEL]).mean(), abs=0.01)


def test_the_harder_products_hold_no_word_of_their_label(
    labeling: Labeling, held: pd.DataFrame
) -> None:
    harder = held[~_shares_a_word(held)]
    assert 0 < len(harder) < len(held)
    assert labeling.scores.loc[(HARDER, CLASSIFIER), "n_items"] == len(harder)
    right = (labeling.labels["label"] == labeling.labels[LABEL])[harder.index]
    assert labeling.scores.loc[(HARDER, CLASSIFIER), "top1_item"] == pytest.approx(right.mean())


@pytest.mark.parametrize(
    ("product_type", "label", "shares"),
    [
        ("ICE CREAM - BULK", "ICE CREAM/MILK/SHERBTS", True),
        ("GOURMET COOKIE", "COOKIES/CONES", True),
        ("COOKIES", "COOKIE/CONE", True),
        ("WRAPS", "DELI MEATS", False),
        ("PET", "CARPETS", False),
        ("BBQ 12 OZ", "12 OZ BQ", False),
    ],
)
def test_a_word_is_shared_in_the_plural_too(product_type: str, label: str, shares: bool) -> None:
    items = pd.DataFrame(
        {
            "product_type": [product_type],
            "package_size": [None],
            "brand": ["National"],
            LABEL: [label],
        }
    )
    assert _shares_a_word(items).tolist() == [shares]


def test_the_automatic_share_is_what_lies_above_the_threshold(labeling: Labeling) -> None:
    labels, automatic = labeling.labels, labeling.automatic
    above = labels[labels["probability"] >= automatic.threshold]
    assert automatic.target == 0.9
    assert automatic.n_labeled == len(above)
    assert 0 < len(above) < len(labels)
    assert automatic.coverage == pytest.approx(len(above) / len(labels))
    assert automatic.precision == pytest.approx((above["label"] == above[LABEL]).mean())
    assert automatic.tuned_precision >= 0.9


def test_the_curve_ends_at_the_accuracy_of_all(labeling: Labeling) -> None:
    last = labeling.curve.iloc[-1]
    assert last["coverage"] == 1
    assert last["precision"] == pytest.approx(labeling.scores.loc[(EVERY, CLASSIFIER), "top1_item"])


def test_the_threshold_rests_on_answers_by_other_types(
    classifier: NeighborClassifier, journey_slice: CompleteJourney, labeling: Labeling
) -> None:
    """In the labeled items every type has twins, which would make the classifier look surer."""
    labeled = journey_slice.items[journey_slice.items["fold"] != HELD_OUT]
    names = sorted(labeled["label"].unique())
    answers = {
        groups: classifier.fit(labels=names, groups=groups).knowledge_.trained.answers
        for groups in ("fold", None)
    }
    right = {
        groups: (table["label"] == table["predicted"]).mean() for groups, table in answers.items()
    }
    assert right["fold"] < right[None] - 0.02
    sure = answers["fold"][answers["fold"]["probability"] >= labeling.automatic.threshold]
    precision = (sure["label"] == sure["predicted"]).mean()
    assert labeling.automatic.tuned_precision == pytest.approx(precision)


def test_votes_alone_are_those_of_pure_neighbors(
    index: ItemIndex, labeling: Labeling, held: pd.DataFrame
) -> None:
    pure = NeighborClassifier(index, k=200, head=None, calibrate=False).fit()
    right = (pure.predict(held) == held[LABEL]).mean()
    assert labeling.scores.loc[(EVERY, VOTES), "top1_item"] == pytest.approx(right)
    assert labeling.scores.loc[(EVERY, CLASSIFIER), "top1_item"] != pytest.approx(right)


def test_certainty_is_that_of_the_labels_given(labeling: Labeling) -> None:
    labels, certainty = labeling.labels, labeling.certainty
    right = labels["label"] == labels[LABEL]
    assert certainty.right == right.mean()
    assert certainty.probability == labels["probability"].mean()
    hits = [row[LABEL] in row["label_set"] for row in labels.to_dict("records")]
    assert certainty.set_coverage == np.mean(hits)
    assert 1 <= certainty.set_size < labels[LABEL].nunique()

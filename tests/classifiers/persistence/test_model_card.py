from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from classifiers.persistence.model_card import model_card
from retrieval import Encoder, ItemIndex

TEXT = ["product_type", "package_size", "brand"]


def _card(clf: NeighborClassifier) -> str:
    return model_card(clf.knowledge_, clf.index_, clf.get_params(deep=False))


@pytest.fixture(scope="module")
def unequal(encoder: Encoder, groceries: pd.DataFrame) -> NeighborClassifier:
    """Forty examples of three labels, three of the fourth, every tenth of a wrong label."""
    items = groceries.drop(groceries[groceries["category"] == "COFFEE"].index[3:])
    y = items["category"].where(np.arange(len(items)) % 10 != 0, "CHEESE")
    return NeighborClassifier(encoder=encoder).fit(items[TEXT], y)


def test_the_data_is_counted(unequal: NeighborClassifier) -> None:
    card, counts = _card(unequal), unequal.knowledge_.counts
    assert f"- examples: {counts.sum()}\n" in card
    assert "- labels: 4\n" in card
    assert f"- examples per label: {counts.min()} to {counts.max()}, median" in card
    assert "- labels with 5 examples or fewer: 1\n" in card
    assert "- labels with a description: 0\n" in card
    assert "holds the texts and labels of all examples" in card
    assert unequal.index_.encoder.identity.revision in card


def test_the_scores_are_those_of_the_out_of_fold_answers(unequal: NeighborClassifier) -> None:
    card, answers = _card(unequal), unequal.knowledge_.trained.answers
    right = (answers["label"] == answers["predicted"]).mean()
    usual = answers["label"].value_counts(normalize=True).iloc[0]
    assert f"Out of fold, on {len(answers)} examples" in card
    assert f"| accuracy | {right:.3f} | {usual:.3f} |" in card
    macro = re.search(r"\| macro-F1 \(labels count alike\) \| (0\.\d+) \| (0\.\d+) \|", card)
    assert macro is not None
    # Naming one of four labels every time has an F1 of 2p / (1 + p) for it, and 0 for the others.
    assert float(macro[2]) == pytest.approx(2 * usual / (1 + usual) / 4, abs=0.001)
    assert float(macro[1]) > float(macro[2])
    error = re.search(r"\| expected calibration error .* \| (0\.\d+) \|", card)
    assert error is not None
    assert float(error[1]) < 0.5


def test_the_worst_confusions_come_first(unequal: NeighborClassifier) -> None:
    rows = re.findall(r"^\| (.+) \| (.+) \| (\d+) of (\d+) \|$", _card(unequal), re.MULTILINE)
    answers = unequal.knowledge_.trained.answers
    assert 0 < len(rows) <= 5
    assert [int(n) for *_, n, _ in rows] == sorted((int(n) for *_, n, _ in rows), reverse=True)
    for label, predicted, n, total in rows:
        mine = answers[answers["label"] == label]
        assert (int(n), int(total)) == ((mine["predicted"] == predicted).sum(), len(mine))


def test_false_alarms_are_those_of_the_out_of_fold_answers(unequal: NeighborClassifier) -> None:
    trained = unequal.knowledge_.trained
    share = (~trained.answers["known"]).mean()
    assert f"{share:.1%} of the examples, out of fold, by mistake" in _card(unequal)


def test_shares_are_told(unequal: NeighborClassifier) -> None:
    card = _card(unequal)
    for part, share in unequal.knowledge_.trained.decision.blend.shares.items():
        assert (f"| {part} | {share:.1%} |" in card) == (share > 0)


def test_without_examples_there_are_no_scores(encoder: Encoder) -> None:
    card = _card(NeighborClassifier(encoder=encoder).fit(labels=["tea", "cof|fee\nbeans"]))
    assert "No scores: there were too few examples" in card
    assert "too few examples to learn" in card
    assert "nan" not in card
    assert "No label sets with guaranteed coverage" in card
    assert "- labels with a description: 2\n" in card
    assert "accuracy" not in card
    assert "examples per label" not in card


def test_a_label_the_head_does_not_know_is_named(encoder: Encoder, groceries: pd.DataFrame) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(groceries["product_type"], groceries["category"])
    assert "does not know" not in _card(clf)
    clf.add_label("te|a\nleaves", "tea leaves")
    assert r"The head does not know 1 label yet (te\|a leaves)" in _card(clf)


def test_several_labels_an_item(encoder: Encoder, groceries: pd.DataFrame) -> None:
    y = [[name, "food"] if "SOAP" not in name else [name] for name in groceries["category"]]
    card = _card(NeighborClassifier(encoder=encoder).fit(groceries["product_type"], y))
    assert "5 labels, any number of them an item" in card
    assert "| all labels of an item right | " in card
    assert "| micro-F1 | " in card
    assert "expected calibration error" not in card
    assert "Confused most" not in card


def test_an_index_of_ones_own_is_named(index: ItemIndex) -> None:
    card = _card(NeighborClassifier(index=index, prior="uniform", calibrate=False).fit())
    assert "are in collection `items` of an index of the owner's" in card
    assert "corrected for how frequent labels are to be" in card
    assert "Probabilities are not calibrated" in card


def test_rare_labels_are_told_and_what_cannot_be_promised(
    encoder: Encoder, groceries: pd.DataFrame, unequal: NeighborClassifier
) -> None:
    pair = groceries[groceries["category"].isin(["CHEESE", "COFFEE"])]
    few = pair.drop(pair[pair["category"] == "COFFEE"].index[3:])
    card = _card(NeighborClassifier(encoder=encoder, head=None).fit(few[TEXT], few["category"]))
    assert "For 1 label there are too few answers" in card
    assert "to promise 90%: COFFEE. `assured` is False" in card
    # Of four labels one can be cut, and stands in for the small one.
    assert re.search(r"For rare labels \d+ answers stand in", _card(unequal))
    assert "there are too few answers, of themselves" not in _card(unequal)

"""Scores against scikit-learn's, on answers that are given by a table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    roc_auc_score,
    top_k_accuracy_score,
)

from classifiers.evaluation.evaluation import Evaluation, _novelty_told, evaluate, score
from classifiers.evaluation.predictions import answer
from retrieval import InputError

LABELS = [f"label {number}" for number in range(7)]
N = 150


@dataclass
class Table:
    """Answers from a table: the text of an item is its row."""

    probabilities: np.ndarray
    classes_: np.ndarray

    def classify(self, X: Sequence[str] | pd.Series) -> pd.DataFrame:
        return self.classify_with_proba(X)[0]

    def classify_with_proba(
        self, X: Sequence[str] | pd.Series, *, neighbors: int = 20, coverage: float = 0.9
    ) -> tuple[pd.DataFrame, np.ndarray]:
        rows = np.array([int(text) for text in X])
        probabilities = self.probabilities[rows]
        similarity = [1.0 if row == 3 else 0.5 for row in rows]
        table = pd.DataFrame(
            {
                "item_id": [str(name) for name in X.index],
                "label": self.classes_[probabilities.argmax(axis=1)],
                "known": probabilities.max(axis=1) > 0.3,
                "novelty": 1 - probabilities.max(axis=1),
                "label_set": pd.Series(self.sets(probabilities, coverage), dtype=object),
                "assured": rows % 10 != 0,
                "neighbors": [[{"similarity": one}] * neighbors for one in similarity],
            }
        )
        return table, probabilities

    def sets(self, probabilities: np.ndarray, coverage: float) -> list[list[Any] | None]:
        return [self.classes_[row > 1 - coverage].tolist() for row in probabilities]


@pytest.fixture
def table() -> Table:
    generator = np.random.default_rng(5)
    probabilities = generator.dirichlet(np.full(len(LABELS), 0.4), size=N)
    return Table(probabilities, np.array(LABELS, dtype=object))


@pytest.fixture
def truth(table: Table) -> list[str]:
    """Mostly what the table says; frequencies differ."""
    generator = np.random.default_rng(6)
    return [str(generator.choice(LABELS, p=row)) for row in table.probabilities]


TEXTS = [str(row) for row in range(N)]


@pytest.fixture
def evaluation(table: Table, truth: list[str]) -> Evaluation:
    return evaluate(table, TEXTS, truth, examples=["label 2"] * 9 + ["label 1"] * 5 + ["label 0"])


def test_scores_are_scikit_learns(evaluation: Evaluation, table: Table, truth: list[str]) -> None:
    predicted = table.classes_[table.probabilities.argmax(axis=1)].tolist()
    right = np.array(predicted) == np.array(truth)
    expected = {
        "accuracy": right.mean(),
        "top_5_accuracy": top_k_accuracy_score(truth, table.probabilities, k=5, labels=LABELS),
        "balanced_accuracy": balanced_accuracy_score(truth, predicted),
        "macro_f1": f1_score(truth, predicted, average="macro"),
        "log_loss": log_loss(truth, table.probabilities, labels=LABELS),
        "brier": brier_score_loss(truth, table.probabilities, labels=LABELS, scale_by_half=False),
        "accuracy_known": right[table.probabilities.max(axis=1) > 0.3].mean(),
        "false_alarm_rate": (table.probabilities.max(axis=1) <= 0.3).mean(),
    }
    found = {name: evaluation.scores[name] for name in expected}
    assert found == pytest.approx(expected)
    for name in expected:
        low, high = evaluation.intervals[name]
        assert low <= evaluation.scores[name] <= high
        assert low < high


def test_the_tail_is_labels_of_few_examples(evaluation: Evaluation, truth: list[str]) -> None:
    answers = evaluation.answers
    recall = answers.groupby("label")["correct"].mean()
    rare = recall[["label 0", "label 1"]].mean()
    assert evaluation.scores["tail_recall"] == pytest.approx(rare)
    assert evaluation.counts["tail_labels"] == 2
    assert evaluation.counts["tail_items"] == sum(one in ("label 0", "label 1") for one in truth)


def test_the_baseline_looks_at_no_item(evaluation: Evaluation, truth: list[str]) -> None:
    shares = np.array([1 / 15, 5 / 15, 9 / 15, 0, 0, 0, 0])
    assert evaluation.baseline["accuracy"] == truth.count("label 2") / N
    # A label without an example is never named.
    named = sum(truth.count(f"label {number}") for number in range(3))
    assert evaluation.baseline["top_5_accuracy"] == named / N
    assert evaluation.baseline["balanced_accuracy"] == pytest.approx(1 / 7)
    expected = brier_score_loss(truth, np.tile(shares, (N, 1)), labels=LABELS, scale_by_half=False)
    assert evaluation.baseline["brier"] == pytest.approx(expected)
    known = np.array(truth)[evaluation.answers["known"]]
    assert evaluation.baseline["accuracy_known"] == pytest.approx((known == "label 2").mean())
    assert "calibration_error" not in evaluation.baseline


def test_without_examples_the_baseline_has_the_shares_of_y(table: Table, truth: list[str]) -> None:
    evaluation = evaluate(table, TEXTS, truth)
    most = max(truth.count(label) for label in LABELS)
    assert evaluation.baseline["accuracy"] == most / N
    assert np.isnan(evaluation.scores["tail_recall"])
    assert evaluation.counts["tail_items"] == 0


def test_label_sets(evaluation: Evaluation, table: Table, truth: list[str]) -> None:
    sets = table.sets(table.probabilities, 0.9)
    held = [label in (chosen or []) for label, chosen in zip(truth, sets, strict=True)]
    assert evaluation.scores["set_coverage"] == pytest.approx(np.mean(held))
    assert evaluation.scores["set_size"] == pytest.approx(
        np.mean([len(each or []) for each in sets])
    )
    assert evaluation.answers["label_set"].tolist() == sets
    assert evaluation.counts["unassured_items"] == N / 10


def test_a_classifier_may_make_no_label_sets(
    table: Table, truth: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "sets", lambda rows, coverage: [None] * len(rows))
    evaluation = evaluate(table, TEXTS, truth)
    assert np.isnan(evaluation.scores["set_coverage"])
    assert np.isnan(evaluation.scores["set_size"])
    assert evaluation.scores["accuracy"] > 0


def test_a_label_nobody_knows_is_an_error_and_a_stranger(table: Table, truth: list[str]) -> None:
    changed = ["never seen", *truth[1:]]
    evaluation = evaluate(table, TEXTS, changed)
    right = evaluate(table, TEXTS, truth).answers["correct"][1:].sum()
    assert evaluation.scores["accuracy"] == right / N
    assert evaluation.counts["unknown_label_items"] == evaluation.counts["outside"] == 1
    zeros = np.hstack([table.probabilities, np.zeros((N, 1))])
    labels = [*LABELS, "never seen"]
    assert evaluation.scores["log_loss"] == pytest.approx(log_loss(changed, zeros, labels=labels))
    squared = brier_score_loss(changed, zeros, labels=labels, scale_by_half=False)
    assert evaluation.scores["brier"] == pytest.approx(squared)
    sets = table.sets(table.probabilities, 0.9)
    held = [label in (chosen or []) for label, chosen in zip(truth, sets, strict=True)]
    assert evaluation.scores["set_coverage"] == pytest.approx(np.mean(held[1:]))
    known = table.probabilities[1:].max(axis=1) > 0.3
    assert evaluation.scores["false_alarm_rate"] == pytest.approx((~known).mean())


def test_items_outside_all_labels(table: Table, truth: list[str]) -> None:
    inside, outside = TEXTS[:100], TEXTS[100:]
    evaluation = evaluate(table, inside, truth[:100], outside=outside)
    novelty = 1 - table.probabilities.max(axis=1)
    is_outside = np.arange(N) >= 100
    assert evaluation.scores["novelty_auroc"] == roc_auc_score(is_outside, novelty)
    assert evaluation.scores["novelty_aupr"] == average_precision_score(is_outside, novelty)
    assert evaluation.scores["novelty_recall"] == (novelty[100:] >= 0.7).mean()
    assert evaluation.counts["outside"] == 50
    assert 0 <= evaluation.scores["false_alarm_rate_told"] <= 1
    assert np.isnan(evaluate(table, inside, truth[:100]).scores["novelty_auroc"])


def test_what_examples_of_strangers_would_bring() -> None:
    """A threshold between the two is learned from half of them; of too few nothing is said."""
    inside = pd.DataFrame({"novelty": np.linspace(0, 1, 40), "known": True})
    outside = pd.DataFrame({"novelty": np.linspace(1.5, 2, 8), "known": True})
    assert _novelty_told(inside, outside) == {
        "novelty_recall_told": pytest.approx(1, abs=0.13),
        "false_alarm_rate_told": 0,
    }
    assert np.isnan(_novelty_told(inside, outside[:7])["novelty_recall_told"])


def test_groups_have_a_say_each(table: Table, truth: list[str]) -> None:
    groups = ["large"] * 100 + ["small"] * 20 + ["other"] * 30
    evaluation = evaluate(table, TEXTS, truth, groups=groups)
    correct = evaluation.answers["correct"]
    expected = np.mean([correct[:100].mean(), correct[100:120].mean(), correct[120:].mean()])
    assert evaluation.scores["accuracy_by_group"] == pytest.approx(expected)
    assert evaluation.counts["groups"] == 3
    alone = evaluate(table, TEXTS, truth).intervals["accuracy"]
    assert evaluation.intervals["accuracy"] != alone


def test_confusions_count_pairs(evaluation: Evaluation) -> None:
    answers, first = evaluation.answers, evaluation.confusions.iloc[0]
    assert evaluation.confusions["n"].sum() == (~answers["correct"]).sum()
    of_label = answers["label"] == first["label"]
    assert first["n"] == (of_label & (answers["predicted"] == first["predicted"])).sum()
    assert first["share"] == first["n"] / of_label.sum()
    assert evaluation.confusions["n"].is_monotonic_decreasing
    assert (evaluation.confusions["label"] != evaluation.confusions["predicted"]).all()


def test_without_an_error_there_is_no_confusion(table: Table) -> None:
    perfect = evaluate(table, TEXTS, table.classes_[table.probabilities.argmax(axis=1)])
    assert perfect.confusions.columns.tolist() == ["label", "predicted", "n", "share"]
    assert perfect.confusions.empty
    assert perfect.scores["accuracy"] == perfect.scores["macro_f1"] == 1
    assert perfect.intervals["accuracy"] == (1, 1)


def test_labels_found_least_come_first(evaluation: Evaluation, truth: list[str]) -> None:
    table = evaluation.per_label
    assert table["recall"].is_monotonic_increasing
    assert dict(zip(table["label"], table["n"], strict=True)) == {
        label: truth.count(label) for label in LABELS
    }
    assert table.set_index("label").loc["label 1", "examples"] == 5
    assert table["f1"].mean() == pytest.approx(evaluation.scores["macro_f1"])


def test_what_reads_the_same_is_counted(evaluation: Evaluation) -> None:
    assert evaluation.counts["twins"] == 1
    assert evaluation.answers["twin"].to_numpy().nonzero()[0].tolist() == [3]


def test_answers_name_items_by_their_place_or_their_index(table: Table, truth: list[str]) -> None:
    assert evaluate(table, TEXTS, truth).answers["item_id"].tolist() == TEXTS
    named = pd.Series(TEXTS, index=[f"item {text}" for text in TEXTS])
    assert evaluate(table, named, truth).answers["item_id"][149] == "item 149"


def test_batches_do_not_change_answers(
    table: Table, truth: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answer(table, TEXTS, truth)
    monkeypatch.setattr("classifiers.evaluation.predictions._BATCH_CELLS", 40 * len(LABELS))
    parts = answer(table, TEXTS, truth)
    pd.testing.assert_frame_equal(whole.items, parts.items)
    pd.testing.assert_frame_equal(whole.baseline, parts.baseline)


def test_json_has_no_nan_and_a_short_curve(table: Table, truth: list[str]) -> None:
    read = json.loads(evaluate(table, TEXTS * 2, truth * 2).to_json())
    assert read["scores"]["tail_recall"] is None
    assert read["intervals"]["tail_recall"] == [None, None]
    assert len(read["risk_coverage"]) <= 200
    assert read["risk_coverage"][-1]["coverage"] == 1
    assert {row["label"] for row in read["per_label"]} == set(truth)
    assert "NaN" not in json.dumps(read)


def test_seeds_make_intervals_and_not_scores(table: Table, truth: list[str]) -> None:
    answers = answer(table, TEXTS, truth)
    one, other = score(answers, seed=1, draws=50), score(answers, seed=2, draws=50)
    assert one.scores == pytest.approx(other.scores, nan_ok=True)
    assert one.intervals["brier"] != other.intervals["brier"]
    assert one.intervals["brier"] == score(answers, seed=1, draws=50).intervals["brier"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["label 1"], "X has 150 rows and y has 1"),
        ([None, *["label 1"] * 149], "row 1 has no label"),
        ([*["label 1"] * 149, "  "], "row 150 has no label"),
        ([["label 1"], *["label 1"] * 149], "row 1 holds several labels"),
        ([1] * 150, "both must be strings, or neither"),
    ],
)
def test_labels_that_cannot_be_scored(table: Table, y: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(table, TEXTS, y)

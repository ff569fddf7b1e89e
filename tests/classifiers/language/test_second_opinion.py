"""By the scripted server, which is right as often as it is told to: cost, gate and marks.

How good a model is, no test here says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier, ask_language_model, judge_language_model
from classifiers.language.cases import unsure_items
from classifiers.language.opinion import Opinion, Prompts, learn_opinion, mix
from classifiers.language.second_opinion import estimate_questions
from classifiers.language.verdict import LanguageVerdict
from retrieval import Budget, Encoder, InputError, ItemIndex, LanguageModel, Price
from tests.chat_server import Script, language_server

# Where there are too few examples for label sets of this coverage, all labels are candidates.
WIDE = 0.99
# What an item is called tells tea from chocolate; of which kind it is, only the script knows.
KINDS = {"tea": ("green tea", "black tea"), "chocolate": ("dark chocolate", "milk chocolate")}
TEXTS = [f"{noun} number {row}" for noun in KINDS for row in range(28)]
LABELS = [KINDS[noun][row % 2] for noun in KINDS for row in range(28)]
NEW = [f"{noun} number {row}" for noun in KINDS for row in range(100, 105)]
TRUTH = dict(zip(TEXTS, LABELS, strict=True)) | {one: KINDS[one.split()[0]][0] for one in NEW}


@pytest.fixture(scope="module")
def running() -> Iterator[Script]:
    with language_server() as state:
        yield state


@pytest.fixture
def server(running: Script) -> Iterator[Script]:
    fresh = Script(running.url, truth=dict(TRUTH))
    running.__dict__.update({**fresh.__dict__, "lock": running.lock})
    yield running
    running.settle()


@pytest.fixture(scope="module")
def fitted(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder, k=5).fit(TEXTS, LABELS)


def _model(server: Script, folder: Path | bool = False, **options: Any) -> LanguageModel:
    cache = folder if isinstance(folder, Path) else False
    return LanguageModel(server.url, "script", send_text=True, cache_dir=cache, **options)


def _judge(
    server: Script, encoder: Encoder, model: LanguageModel, **options: Any
) -> LanguageVerdict:
    classifier = NeighborClassifier(encoder=encoder, k=5)
    return judge_language_model(classifier, TEXTS, LABELS, model, folds=2, coverage=WIDE, **options)


def test_a_model_that_is_right_passes_and_one_that_is_not_does_not(
    server: Script, encoder: Encoder, tmp_path: Path
) -> None:
    verdict = _judge(server, encoder, _model(server, tmp_path))
    assert verdict.is_used and verdict.interval[0] > 0
    assert verdict.model_right == 1.0
    assert verdict.accuracy_with > verdict.accuracy_without
    assert verdict.coverage_with >= verdict.coverage_without
    assert verdict.usage.calls >= verdict.n and "is used" in str(verdict)
    again = _judge(server, encoder, _model(server, tmp_path))
    assert again.usage.calls == 0 and again.usage.hits > 0
    assert (again.interval, again.opinion) == (verdict.interval, verdict.opinion)
    server.rate = 0.0
    wrong = _judge(server, encoder, _model(server))
    assert not wrong.is_used and "not shown to help" in wrong.reason
    assert wrong.model_right == 0.0 and wrong.interval[0] <= 0


def test_without_enough_answers_nothing_is_claimed(server: Script, encoder: Encoder) -> None:
    verdict = _judge(server, encoder, _model(server, budget=Budget(calls=0)))
    assert not verdict.is_used and verdict.answered == 0 and server.calls == 0
    assert "it chose a label for 0 held-out items, 30 are needed; the budget is spent" in str(
        verdict
    )


def _verdict(server: Script, **options: Any) -> LanguageVerdict:
    told = {"opinion": Opinion((1.0, 0.0), 2.0), **options}
    return LanguageVerdict(True, "by hand", "script", Prompts.packaged().mark, **told)


def test_the_most_valuable_items_are_asked_first_and_marked(
    server: Script, fitted: NeighborClassifier
) -> None:
    found = unsure_items(fitted, NEW, examples=2, coverage=WIDE)
    values = [
        found.proba[row][np.isin(fitted.classes_, case.candidates)].sum() - found.proba[row].max()
        for row, case in zip(found.rows, found.cases, strict=True)
    ]
    assert len(values) > 3 and values == sorted(values, reverse=True)
    assert all(len(one.examples) == 2 for one in found.cases)
    model = _model(server, budget=Budget(calls=4), connections=1)
    table = ask_language_model(fitted, NEW, model, _verdict(server), examples=2, coverage=WIDE)
    assert model.usage.calls == 4  # two questions each
    asked = table.index[table["model_label"].notna()].tolist()
    assert asked == sorted(found.rows[:2])
    assert (table.loc[asked, "label"] == table.loc[asked, "model_label"]).all()
    assert table.loc[asked, "written_by"].str.startswith("script / choose-label ").all()
    rest = table.drop(index=asked)
    assert rest["written_by"].isna().all()
    plain = fitted.classify(NEW, coverage=WIDE)
    pd.testing.assert_series_equal(rest["label"], plain["label"].drop(index=asked))
    assert (rest.loc[found.rows[2:], "model_note"] == "the budget is spent").all()


def test_a_refused_model_is_not_asked(server: Script, fitted: NeighborClassifier) -> None:
    refused = LanguageVerdict(False, "no", "script", Prompts.packaged().mark)
    table = ask_language_model(fitted, NEW, _model(server), refused, coverage=WIDE)
    assert server.calls == 0 and table["written_by"].isna().all()
    pd.testing.assert_frame_equal(
        table[fitted.classify(NEW, coverage=WIDE).columns], fitted.classify(NEW, coverage=WIDE)
    )


def test_a_server_that_is_away_leaves_the_labels_as_they_were(
    server: Script, fitted: NeighborClassifier
) -> None:
    server.busy, server.status = 1_000, 503
    table = ask_language_model(
        fitted, NEW, _model(server, patience=0.01), _verdict(server), coverage=WIDE
    )
    assert table["label"].tolist() == fitted.classify(NEW, coverage=WIDE)["label"].tolist()
    assert table["model_note"].str.contains("503").any()


def test_examples_are_of_the_date(server: Script, encoder: Encoder, tmp_path: Path) -> None:
    items = pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(len(TEXTS))],
            "name": TEXTS,
            "kind": LABELS,
            "launched": ["2024-01-01"] * 7 + ["2024-06-01"] * (len(TEXTS) - 7),
        }
    )
    with ItemIndex(str(tmp_path / "items.db"), encoder) as index:
        index.upsert(items, text=["name"], label="kind", launch_date="launched")
        classifier = NeighborClassifier(index, k=5).fit()
        found = unsure_items(classifier, ["tea 99"], examples=5, coverage=WIDE, as_of="2024-03-01")
        later = set(TEXTS[7:])
        shown = {text for one in found.cases for text, _ in one.examples}
        assert not shown & later
        found = unsure_items(classifier, ["chocolate 99"], examples=5, coverage=WIDE)
        assert {text for one in found.cases for text, _ in one.examples} <= later


def test_a_verdict_of_another_model_is_refused(server: Script, fitted: NeighborClassifier) -> None:
    other = LanguageModel(server.url, "other", send_text=True, cache_dir=False)
    with pytest.raises(InputError, match="judge it anew"):
        ask_language_model(fitted, ["tea 99"], other, _verdict(server))
    tree = NeighborClassifier(encoder=fitted.encoder, hierarchy=" > ")
    tree.fit(["tea", "cocoa"], ["a > b", "a > c"])
    with pytest.raises(InputError, match="without a hierarchy"):
        unsure_items(tree, ["tea"], examples=1)


def test_an_estimate_covers_what_is_spent(server: Script, fitted: NeighborClassifier) -> None:
    model = _model(server, price=Price(1.0, 1.0))
    planned = estimate_questions(model, unsure_items(fitted, NEW, examples=2, coverage=WIDE).cases)
    assert server.calls == 0
    ask_language_model(fitted, NEW, model, _verdict(server), examples=2, coverage=WIDE)
    assert 0 < model.usage.money <= planned.money and model.usage.calls <= planned.calls


def test_a_choice_is_as_probable_as_it_is_right() -> None:
    proba = np.array([[0.6, 0.3, 0.1]])
    mixed = mix(proba, np.array([1]), np.array([0.9]), Opinion((1.0, 0.0), 0.0))
    assert mixed[0, 1] == pytest.approx(0.9) and mixed.sum() == pytest.approx(1)
    assert mixed[0, 0] / mixed[0, 2] == pytest.approx(6)
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.05, 0.95, 2_000)
    learned = learn_opinion(sure, np.full(2_000, 0.5), rng.uniform(size=2_000) < sure)
    assert learned.of(np.array([0.8]), np.array([0.5]))[0] == pytest.approx(0.8, abs=0.05)

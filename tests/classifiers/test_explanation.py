"""Why an item gets its label: tables and a picture."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from classifiers import NeighborClassifier
from classifiers.scorers.ensemble import HEAD, NEIGHBORS, PROTOTYPES
from retrieval import Encoder, InputError

mpl.use("Agg")

TEXTS = pd.Series(["ground coffee, dark roast", "cheese pizza"], index=["a", "b"])


def test_the_parts_of_the_most_probable_labels_are_listed(learned: NeighborClassifier) -> None:
    table = learned.explain(TEXTS, labels=2)
    assert list(table) == ["item_id", "rank", "label", "probability", "part", "contribution"]
    assert len(table) == 2 * 2 * 3
    assert table["item_id"].tolist() == ["a"] * 6 + ["b"] * 6
    first = table[table["rank"] == 1].groupby("item_id")
    answers = learned.classify(TEXTS)
    assert first["label"].first().tolist() == answers["label"].tolist()
    np.testing.assert_allclose(first["probability"].first(), answers["probability"], atol=1e-6)
    for parts, (_, mine) in zip(answers["parts"], first, strict=True):
        told = dict(zip(mine["part"], mine["contribution"], strict=True))
        assert told == pytest.approx(parts, abs=1e-6)
    together = table.groupby(["item_id", "rank"], sort=False)["contribution"].sum()
    probability = table.groupby(["item_id", "rank"], sort=False)["probability"].first()
    assert (together <= probability + 1e-9).all()
    np.testing.assert_allclose(together, probability, atol=0.05)


def test_all_labels_can_be_explained_and_no_item_too(learned: NeighborClassifier) -> None:
    everything = learned.explain(TEXTS[:1], labels=99)
    assert set(everything["label"]) == set(learned.classes_)
    assert everything.drop_duplicates("rank")["probability"].sum() == pytest.approx(1)
    assert learned.explain([]).empty


def test_candidates_alone_are_explained(learned: NeighborClassifier) -> None:
    table = learned.explain(TEXTS[:1], candidates=["SOUP", "BEEF"], labels=2)
    assert set(table["label"]) == {"SOUP", "BEEF"}
    assert table.drop_duplicates("rank")["probability"].sum() == pytest.approx(1)


def test_the_picture_shows_the_same_numbers(learned: NeighborClassifier) -> None:
    ax = learned.plot_explanation(TEXTS["a"], labels=3)
    table = learned.explain(TEXTS[:1], labels=3)
    widths = sorted(bar.get_width() for bar in ax.patches)
    np.testing.assert_allclose(widths, sorted(table["contribution"]), atol=1e-6)
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == table.drop_duplicates("rank")["label"].tolist()
    assert ax.get_title(loc="left") == TEXTS["a"]
    pyplot.close(ax.figure)


def test_the_picture_goes_where_it_is_told(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["a", "b"])
    clf.add_label("tea")
    figure, ax = pyplot.subplots()
    assert clf.plot_explanation("green tea, " * 50, ax=ax) is ax
    assert len(ax.get_title(loc="left")) <= 80
    pyplot.close(figure)
    with pytest.raises(InputError, match="row 1 is not a text"):
        clf.plot_explanation("")


def test_the_bars_of_a_label_are_stacked_and_named(learned: NeighborClassifier) -> None:
    ax = learned.plot_explanation(TEXTS["a"], labels=9)
    bars = [container.patches for container in ax.containers]
    assert len(bars) == 3
    for earlier, later in itertools.pairwise(bars):
        for one, other in zip(earlier, later, strict=True):
            assert other.get_x() == pytest.approx(one.get_x() + one.get_width())
    legend = ax.get_legend()
    assert legend is not None
    assert [entry.get_text() for entry in legend.get_texts()] == [NEIGHBORS, PROTOTYPES, HEAD]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the most probable label is on top"
    probability = learned.explain(TEXTS[:1], labels=9).drop_duplicates("rank")["probability"]
    expected = [f"{one:.2f}" if one >= 0.005 else "< 0.01" for one in probability]
    assert [one.get_text() for one in ax.texts] == expected
    pyplot.close(ax.figure)


def test_what_the_head_does_not_know_it_does_not_explain(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["tea", "soap"], ["drink", "wash"])
    clf.add_examples(["cheddar"], ["food"])
    table = clf.explain(["cheddar cheese"], labels=3)
    of_head = table[table["part"] == HEAD].set_index("label")["contribution"]
    assert np.isnan(of_head["food"])
    assert (of_head[["drink", "wash"]] > 0).all()
    assert table[table["part"] != HEAD]["contribution"].notna().all()
    ax = clf.plot_explanation("cheddar cheese")
    assert np.isfinite([bar.get_width() for bar in ax.patches]).all()
    pyplot.close(ax.figure)


def test_names_and_texts_are_drawn_as_they_are_written(encoder: Encoder, tmp_path: Path) -> None:
    # What matplotlib would read as a formula, and a wrong one.
    clf = NeighborClassifier(encoder=encoder).fit(["a $5^$ tea", "soap"], ["$x^$", "wash_up"])
    ax = clf.plot_explanation("tea for $5 ^ and $6 ^")
    ax.figure.savefig(tmp_path / "why.png")
    assert (tmp_path / "why.png").stat().st_size > 1000
    pyplot.close(ax.figure)

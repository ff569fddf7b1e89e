"""Report an evaluation: its files, its page, its words and rows on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from classifiers import TAIL_EXAMPLES, Evaluation, ListEvaluation
from pipelines.jobs.evaluation import FILES, EvaluationResult
from pipelines.reports.automatic_labels import Cost, examples_of_mistakes, shares
from pipelines.reports.page import fill_page
from pipelines.reports.pictures import (
    confusions_figure,
    coverage_figure,
    reliability_figure,
    to_svg,
)
from pipelines.reports.words import counted
from pipelines.tables.output import write_json, write_table, write_text
from retrieval import replacing_files

_WORST = 8
_PAIRS = 8
# Labels with fewer items are not listed as the worst ones: one error would put them there.
_LEAST_ITEMS = 5
# Standard errors across a 95 % interval.
_ERRORS_WIDE = 2 * 1.96
# Columns of a terminal from which on each score's meaning stands beside it.
_WIDE = 105

_PAIRS_ON_PAGE = 25


@dataclass(frozen=True)
class Score:
    """One row of the table of scores, ready to be printed; empty cells for what there is not."""

    name: str
    value: str
    interval: str
    baseline: str
    meaning: str


@dataclass(frozen=True)
class _Kind:
    title: str
    meaning: str
    is_share: bool = True


_SCORES = {
    "accuracy": _Kind("accuracy", "labels that are right"),
    "top_5_accuracy": _Kind("top 5", "right label among the five most probable"),
    "accuracy_by_group": _Kind("accuracy by group", "mean over groups"),
    "balanced_accuracy": _Kind("balanced accuracy", "mean over labels of the share found"),
    "macro_f1": _Kind("macro F1", "mean over labels", False),
    "tail_recall": _Kind("tail recall", f"found, of labels with at most {TAIL_EXAMPLES} examples"),
    "log_loss": _Kind("log loss", "lower is better", False),
    "brier": _Kind("Brier score", "lower is better; 0 to 2", False),
    "calibration_error": _Kind("calibration error", "mean gap of probability and truth", False),
    "set_coverage": _Kind("label sets: coverage", "sets that hold the right label, if known"),
    "set_size": _Kind("label sets: size", "labels in a set, mean", False),
    "accuracy_known": _Kind("accuracy where known", "over items not called unknown"),
    "false_alarm_rate": _Kind("false alarms", "items of known labels called unknown"),
    "novelty_recall": _Kind("strangers found", "items of no label called unknown"),
    "novelty_auroc": _Kind("strangers: AUROC", "ranked by novelty", False),
    "novelty_aupr": _Kind("strangers: AUPR", "ranked by novelty", False),
}


_LIST_SCORES = {
    "exact": _Kind("exact lists", "all labels of an item and no other"),
    "micro_f1": _Kind("micro F1", "over all labels of all items", False),
    "macro_f1": _Kind("macro F1", "mean over labels", False),
    "jaccard": _Kind("overlap", "labels in both lists, of those in either", False),
}


def score_rows(evaluation: Evaluation) -> list[Score]:
    """Return the scores in reading order, without those that rest on no item."""
    rows = []
    for key, kind in _SCORES.items():
        value = evaluation.scores.get(key, math.nan)
        if math.isnan(value):
            continue
        low, high = evaluation.intervals.get(key, (math.nan, math.nan))
        baseline = evaluation.baseline.get(key, math.nan)
        rows.append(
            Score(
                name=kind.title,
                value=_shown(value, kind),
                interval="" if math.isnan(low) else f"{_shown(low, kind)} to {_shown(high, kind)}",
                baseline="" if math.isnan(baseline) else _shown(baseline, kind),
                meaning=kind.meaning,
            )
        )
    return rows


def headline(evaluation: Evaluation, setup: dict[str, Any]) -> str:
    """Return what was done and what came of it, in two sentences."""
    counts, scores = evaluation.counts, evaluation.scores
    low, high = evaluation.intervals["accuracy"]
    how = (
        f"cross-validated in {setup['folds']} folds"
        if setup["method"] == "cross-validation"
        else f"labeled by {setup['examples']:,} labeled items"
        if setup["examples"]
        else "labeled by what their labels are in words, without an example"
    )
    if setup.get("adapted"):
        how += ", having learned from their texts"
    whole = ", whole groups held out" if "folds" in setup and setup["group_col"] else ""
    drawn = ", drawn at random" if setup["method"] == "held-out sample" else ""
    return (
        f"{counts['items']:,} items of {counts['labels']:,} labels{drawn}, {how}{whole}. "
        f"{scores['accuracy']:.1%} of the labels are right (95 % interval {low:.1%} to "
        f"{high:.1%}); the most frequent label alone would be right for "
        f"{evaluation.baseline['accuracy']:.1%}."
    )


def remarks(evaluation: Evaluation, setup: dict[str, Any]) -> list[str]:
    """Return what a reader must know to take the scores for what they are."""
    counts = evaluation.counts
    said = [
        (counts["unknown_label_items"], "with a label that no labeled item had: errors, all."),
        (counts["twins"], "with a labeled item that reads the same; new items may have none."),
        (
            setup.get("indexed", 0),
            "in the index with their label: their neighbors alone answer, without themselves.",
        ),
        (
            counts["unassured_items"],
            "labeled with a label too rare to promise the coverage of its sets (assured: false).",
        ),
        (setup["left_out"], "without a label, left out."),
    ]
    lines = [f"{counted(n, 'item')} {words}" for n, words in said if n]
    if setup["method"] == "held-out sample":
        low, high = evaluation.intervals["accuracy"]
        every, error = counts["items"] + setup["examples"], (high - low) / _ERRORS_WIDE
        lines.append(
            f"{counted(counts['items'], 'item')} of {every:,} are scored, drawn with seed "
            f"{setup['seed']}; the standard error of the accuracy is {error:.2%}."
        )
    if counts["tail_items"]:
        labels = counted(counts["tail_labels"], "label")
        lines.append(f"{counted(counts['tail_items'], 'item')} of {labels} make the tail recall.")
    if counts["outside"]:
        strangers = counted(counts["outside"], "item")
        lines.append(f"{strangers} of no known label make what is said of strangers.")
        lines += _strangers_told(evaluation.scores)
    return [*lines, *_fallen_off(setup)]


def _strangers_told(scores: Mapping[str, float]) -> list[str]:
    """Return how many strangers are found, and how many more examples of them would find."""
    told = scores.get("novelty_recall_told", math.nan)
    if math.isnan(told):
        return []
    now, alarms = scores["novelty_recall"], scores["false_alarm_rate"]
    said = (
        f"Strangers: {now:.0%} of them are found now, and {alarms:.0%} of the others are called "
        "unknown by mistake."
    )
    if told > now:
        said += (
            " If half of these strangers were given as examples (classify.outside), about "
            f"{told:.0%} of the other half would be found, at "
            f"{scores['false_alarm_rate_told']:.0%} mistakes."
        )
    return [said]


def _fallen_off(setup: dict[str, Any]) -> list[str]:
    """Return a line for each language whose items are labeled worse than the others."""
    return [
        f"{counted(row['items'], 'item')} in the language {row['language']!r} are right in "
        f"{row['accuracy']:.0%}, those in other languages in {row['others']:.0%}: it falls off; "
        "take an encoder that knows it, or give examples in it."
        for row in setup.get("by_language") or []
        if row["falls_off"]
    ]


def automatic_shares(curve: pd.DataFrame, targets: tuple[float, ...] = (0.9, 0.95, 0.99)) -> str:
    """How much of the surest labels reaches a precision, as a sentence."""
    reached = [
        (target, curve.loc[curve["precision"] >= target, "coverage"].max()) for target in targets
    ]
    parts = [f"{share:.0%} at {target:.0%} precision" for target, share in reached if share > 0]
    if not parts:
        return f"No share of the surest labels is {targets[0]:.0%} right."
    return "Of these items, the surest could be labeled without a person: " + ", ".join(parts) + "."


def worst_labels(evaluation: Evaluation) -> pd.DataFrame:
    """Return the labels found least, among those with enough items to say so."""
    table = evaluation.per_label
    worst: pd.DataFrame = table[table["n"] >= min(_LEAST_ITEMS, table["n"].max())].head(_WORST)
    return worst


def show_evaluation(
    console: Console, evaluation: Evaluation | ListEvaluation, setup: dict[str, Any]
) -> None:
    """Print scores, the worst labels and the most frequent confusions."""
    if isinstance(evaluation, ListEvaluation):
        _show_lists(console, evaluation)
        return
    console.print(f"\n{escape(headline(evaluation, setup))}\n")
    _show_scores(console, score_rows(evaluation))
    worst = _table("Labels found least", ["label", "items", "examples", "found", "precision"])
    for label in worst_labels(evaluation).to_dict("records"):
        examples = "" if math.isnan(label["examples"]) else f"{label['examples']:,.0f}"
        shares = [f"{label['recall']:.0%}", f"{label['precision']:.0%}"]
        worst.add_row(escape(str(label["label"])), f"{label['n']:,}", examples, *shares)
    console.print(worst)
    _show_confusions(console, evaluation.confusions)
    _show_languages(console, setup.get("by_language") or [])
    console.print(f"{automatic_shares(evaluation.risk_coverage)}")
    if costs := setup.get("costs"):
        spent = Cost.of(evaluation.risk_coverage, evaluation.counts["items"], **costs)
        console.print(spent.in_words)
    for line in remarks(evaluation, setup):
        console.print(f"[yellow]![/] {line}")


def _show_scores(console: Console, rows: list[Score]) -> None:
    is_wide = console.width >= _WIDE
    columns = ["score", "value", "95 % interval", "majority", *(["meaning"] if is_wide else [])]
    table = _table("Scores", columns)
    for row in rows:
        cells = [row.name, f"[bold]{row.value}[/]", row.interval, row.baseline]
        table.add_row(*cells, *([f"[dim]{row.meaning}[/]"] if is_wide else []))
    console.print(table)


def _show_languages(console: Console, rows: list[dict[str, Any]]) -> None:
    if len(rows) < 2:
        return
    table = _table("By language", ["language", "items", "accuracy", "95 % interval"])
    for row in rows:
        ends = f"{row['low']:.1%} to {row['high']:.1%}"
        name, share = escape(row["language"]), f"{row['accuracy']:.1%}"
        table.add_row(name, f"{row['items']:,}", share, ends)
    console.print(table)


def _show_lists(console: Console, evaluation: ListEvaluation) -> None:
    """Print the scores of lists of labels, and the labels that are named worst."""
    counts = evaluation.counts
    items, labels = counted(counts["items"], "item"), counted(counts["labels"], "label")
    console.print(f"{items} with lists of {labels}")
    table = _table("Scores", ["score", "value", "95 % interval", "baseline", "meaning"])
    for key, kind in _LIST_SCORES.items():
        low, high = evaluation.intervals[key]
        value, baseline = evaluation.scores[key], evaluation.baseline[key]
        ends = f"{_shown(low, kind)} to {_shown(high, kind)}"
        table.add_row(kind.title, _shown(value, kind), ends, _shown(baseline, kind), kind.meaning)
    console.print(table)
    worst = _table("Labels named worst", ["label", "items", "recall", "F1"])
    for row in evaluation.per_label.head(_WORST).to_dict("records"):
        name = escape(str(row["label"]))
        worst.add_row(name, f"{row['n']:,}", f"{row['recall']:.0%}", f"{row['f1']:.3f}")
    console.print(worst)


def _show_confusions(console: Console, confusions: pd.DataFrame) -> None:
    if confusions.empty:
        return
    table = _table("Most often confused", ["label", "taken for", "items", "of the label"])
    for pair in confusions.head(_PAIRS).to_dict("records"):
        names = [escape(str(pair[key])) for key in ("label", "predicted")]
        table.add_row(*names, f"{pair['n']:,}", f"{pair['share']:.0%}")
    console.print(table)
    if len(confusions) > _PAIRS:
        console.print(f"[dim]  ... and {len(confusions) - _PAIRS:,} pairs more[/]\n")


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    words = {"score", "meaning", "label", "taken for"}
    for column in columns:
        is_text = column in words
        table.add_column(
            column,
            justify="left" if is_text else "right",
            no_wrap=not is_text or column == "score",
            overflow="fold",
        )
    return table


def _shown(value: float, kind: _Kind) -> str:
    return f"{value:.1%}" if kind.is_share else f"{value:.3f}"


def write_page(
    evaluation: Evaluation,
    setup: dict[str, Any],
    pictures: Mapping[str, str],
    path: Path,
    photos: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write the page.

    Args:
        evaluation: The scores.
        setup: How they came about; see `pipelines.jobs.evaluation.EvaluationResult`.
        pictures: SVG elements `reliability`, `risk_coverage` and `confusions`.
        path: Where to.
        photos: Item id → its picture, of mistakes to show.
        texts: Item id → its text.
    """
    n = evaluation.counts["items"]
    costs = setup.get("costs")
    curve = evaluation.risk_coverage
    fill_page(
        "evaluation.html.j2",
        path,
        setup=setup,
        counts=evaluation.counts,
        headline=headline(evaluation, setup),
        remarks=remarks(evaluation, setup),
        automatic=automatic_shares(curve),
        shares=shares(curve, n),
        cost=None if costs is None else Cost.of(curve, n, **costs),
        costs=costs,
        examples=examples_of_mistakes(evaluation, texts or {}),
        scores=score_rows(evaluation),
        reliability=evaluation.reliability.to_dict("records"),
        confusions=evaluation.confusions.head(_PAIRS_ON_PAGE).to_dict("records"),
        n_confusions=len(evaluation.confusions),
        worst=worst_labels(evaluation).to_dict("records"),
        pictures={name: Markup(svg) for name, svg in pictures.items()},
        mistakes=_mistakes(evaluation, photos or {}),
    )


def _mistakes(evaluation: Evaluation, photos: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of items whose pictures are shown, the surest first."""
    answers = evaluation.answers
    shown = answers[answers["item_id"].isin(list(photos))].drop_duplicates("item_id")
    rows = shown.sort_values("probability", ascending=False)
    rows = rows[["item_id", "label", "predicted", "probability"]]
    told = rows.assign(photo=[photos[one] for one in rows["item_id"]])
    return [{str(name): cell for name, cell in row.items()} for row in told.to_dict("records")]


def write_evaluation(result: EvaluationResult, folder: Path, *, guard_csv: bool = True) -> None:
    """Write the page, its numbers, its pictures, and each item's answer.

    They are `FILES`, all of them or none; of lists of labels the numbers and the answers.

    Args:
        result: The evaluation.
        folder: Where to; what else is in it stays. What an earlier one left of `FILES` and this one
            does not make goes.
        guard_csv: As `pipelines.tables.output.write_table` takes it.
    """
    evaluation = result.evaluation
    if isinstance(evaluation, ListEvaluation):
        with replacing_files(folder, FILES, mark="evaluation.json") as made:
            answers = _with_texts(evaluation.answers, result.texts)
            write_table(answers, made / "answers.csv", guard_csv=guard_csv)
            write_json(result.to_dict(), made / "evaluation.json")
        return
    pictures = {
        "reliability": to_svg(reliability_figure(evaluation.reliability)),
        "risk_coverage": to_svg(coverage_figure(evaluation.risk_coverage)),
        "confusions": to_svg(confusions_figure(evaluation.confusions)),
    }
    with replacing_files(folder, FILES, mark="evaluation.json") as made:
        for name, svg in pictures.items():
            write_text(svg, made / f"{name}.svg")
        answers = _with_texts(evaluation.answers, result.texts)
        write_table(answers, made / "answers.csv", guard_csv=guard_csv)
        write_json(result.to_dict(), made / "evaluation.json")
        page = made / "evaluation.html"
        write_page(evaluation, result.setup, pictures, page, result.photos, result.texts)


def _with_texts(answers: pd.DataFrame, texts: Mapping[str, str]) -> pd.DataFrame:
    """Put the text of each item behind its id."""
    said = answers.copy()
    said.insert(1, "text", [texts.get(str(one)) for one in answers["item_id"]])
    return said

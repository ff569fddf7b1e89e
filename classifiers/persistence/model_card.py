"""A page about a fitted classifier for people: what it knows, how good it is, and where it ends.

The sections follow Mitchell et al., "Model Cards for Model Reporting" (FAccT 2019), as far as a
classifier can know them by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from classifiers.decision.decision import Decision
from classifiers.decision.label_sets import LabelSets
from classifiers.decision.like_sized import limits_of
from classifiers.evaluation.metrics import BINS, calibration_error
from classifiers.fitted import FittedState
from classifiers.inputs import stored_names
from classifiers.scorers.ensemble import ANY, HEAD, NEIGHBORS, PROTOTYPES
from retrieval import ItemIndex, card_cell, card_list, card_page, card_versions, first_few

_RARE = 5
_CONFUSIONS = 5
# Of the label sets that `classify` makes unless asked for others.
_COVERAGE = 0.9
_MEANING = {
    NEIGHBORS: "the labeled items most like the new one vote",
    PROTOTYPES: "what each label looks like on average",
    HEAD: "a logistic regression on the vectors",
    ANY: "spread over all labels alike: none is impossible",
}


def model_card(knowledge: FittedState, index: ItemIndex, parameters: Mapping[str, Any]) -> str:
    """Return the page as Markdown.

    Args:
        knowledge: What the classifier knows.
        index: Where its items are.
        parameters: Of its constructor.
    """
    sections = {
        "Data": _data(knowledge, index),
        "How it answers": _answering(knowledge, parameters),
        "Scores": _scores(knowledge),
        "None of these, and label sets": _doubt(knowledge),
        "Limits": _limits(knowledge),
        "Versions": card_versions(index.encoder.identity, "scikit-learn"),
    }
    return card_page(_introduction(knowledge), sections)


def _introduction(knowledge: FittedState) -> str:
    several = "" if knowledge.exclusive else ", any number of them an item"
    return (
        f"A `NeighborClassifier` of likewise, written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. It "
        f"knows {_count(len(knowledge.names), 'label')}{several}, and gives them to texts by the "
        "labeled items most like them. `NeighborClassifier.load` takes the path of this folder."
    )


def _data(knowledge: FittedState, index: ItemIndex) -> str:
    counts, n = knowledge.counts, len(knowledge.example_ids)
    rows = {"examples": f"{n:,}", "labels": f"{len(counts):,}"}
    if n:
        rows["examples per label"] = (
            f"{counts.min():,} to {counts.max():,}, median {np.median(counts):,.0f}"
        )
        rare = int((counts <= _RARE).sum())
        rows[f"labels with {_RARE} examples or fewer"] = f"{rare:,}"
    rows["labels with a description"] = f"{len(knowledge.described):,}"
    where = (
        "This folder holds the texts and labels of all examples: share it with those only who may "
        "read them."
        if knowledge.is_private
        else f"The items themselves are in collection `{index.collection}` of an index of the "
        "owner's, not in this folder."
    )
    return (
        f"{card_list(rows)}\n\n{where} What the data is, where it comes from and whom it concerns, "
        "only its owner can say: beside this folder, since `load` refuses one that was changed."
    )


def _answering(knowledge: FittedState, parameters: Mapping[str, Any]) -> str:
    shares = {
        part: f"{share:.1%} | {_MEANING[part]}"
        for part, share in knowledge.trained.decision.blend.shares.items()
        if share > 0
    }
    lines = [
        "A probability is a mixture of what these say:",
        _table(shares, ("part", "share", "what it is")),
        f"- {knowledge.options.k} neighbors vote, at temperature {parameters['temperature']}.",
    ]
    head = knowledge.trained.sources.head
    if head is not None:
        unknown = sorted(set(knowledge.names.tolist()) - set(head.names.tolist()))
        if unknown:
            lines.append(
                f"- The head does not know {_count(len(unknown), 'label')} yet "
                f"({', '.join(first_few(unknown, card_cell))}); `refit_head` teaches it."
            )
    if parameters["prior"] is not None:
        lines.append("- Probabilities are corrected for how frequent labels are to be (`prior`).")
    if parameters["hierarchy"] is not None:
        lines.append("- The labels form a tree; the deepest one that is certain enough is named.")
    return f"{lines[0]}\n\n{lines[1]}\n\n" + "\n".join(lines[2:])


def _scores(knowledge: FittedState) -> str:
    answers = knowledge.trained.answers
    if answers.empty:
        return (
            "No scores: there were too few examples to answer some of them by the others. "
            "Try the classifier on labeled items before you rely on it."
        )
    label, predicted = answers["label"], answers["predicted"]
    usual = pd.Series(label.mode().iloc[0], index=label.index)
    ours, baseline = (_measured(label, one, knowledge.exclusive) for one in (predicted, usual))
    rows = {name: f"{value:.3f} | {baseline[name]:.3f}" for name, value in ours.items()}
    if knowledge.exclusive:
        right = (label == predicted).to_numpy(dtype=bool)
        error = calibration_error(answers["probability"].to_numpy(dtype=np.float64), right)
        # What `calibration_error` says of probabilities without a fault.
        chance = 0.8 * np.sqrt(right.mean() * (1 - right.mean()) * BINS / len(right))
        rows[f"expected calibration error (chance alone: {chance:.3f})"] = f"{error:.3f} |"
    what = "label" if knowledge.exclusive else "set of labels"
    return (
        f"Out of fold, on {_count(len(answers), 'example')}: each was answered by examples of "
        f"other folds alone, as of the last `fit`. Beside it, what naming the most frequent {what} "
        "every time would reach.\n\n"
        f"{_table(rows, ('', 'this classifier', 'most frequent'))}\n\n"
        "The few numbers that make up shares and calibration were chosen on these same answers. "
        "Items that come later, or from elsewhere, may be harder: only a test on such items tells."
        f"{_confusions(answers) if knowledge.exclusive else ''}"
    )


def _measured(label: pd.Series, predicted: pd.Series, exclusive: bool) -> dict[str, float]:
    truth: npt.NDArray[Any] = label.to_numpy(dtype=object).astype(str)
    named: npt.NDArray[Any] = predicted.to_numpy(dtype=object).astype(str)
    if exclusive:
        macro = f1_score(truth, named, labels=np.unique(truth), average="macro", zero_division=0)
        return {"accuracy": accuracy_score(truth, named), "macro-F1 (labels count alike)": macro}
    table = MultiLabelBinarizer().fit([stored_names(one) for one in [*truth, *named]])
    truth, named = (table.transform([stored_names(one) for one in each]) for each in (truth, named))
    return {
        "all labels of an item right": accuracy_score(truth, named),
        "micro-F1": f1_score(truth, named, average="micro", zero_division=0),
        "macro-F1 (labels count alike)": f1_score(truth, named, average="macro", zero_division=0),
    }


def _confusions(answers: pd.DataFrame) -> str:
    wrong = answers[answers["label"] != answers["predicted"]]
    if wrong.empty:
        return ""
    pairs = wrong.groupby(["label", "predicted"], as_index=False).size()
    total = answers["label"].value_counts()
    lines = [
        f"| {card_cell(label)} | {card_cell(predicted)} | {n} of {total[label]} |"
        for label, predicted, n in pairs.nlargest(_CONFUSIONS, "size").to_numpy(dtype=object)
    ]
    head = "| label | named instead | how often |\n| --- | --- | --- |\n"
    return "\n\nConfused most:\n\n" + head + "\n".join(lines)


def _doubt(knowledge: FittedState) -> str:
    trained = knowledge.trained
    novelty, sets = trained.decision.novelty, trained.decision.label_sets
    line = f"- An item of novelty above {novelty.threshold:.3g} is called unknown"
    sizes = np.array(list(trained.decision.sizes.values()), dtype=np.int64)
    helped = int((limits_of(novelty.doubts, sizes, -1.0) >= 0).sum())
    if helped:
        line += (
            f", unless it is like one of {_count(helped, 'rare label')}, whose items lie as far "
            "from the examples as strangers do: how probable such a label must be was learned from "
            "held-out items of labels of its size"
        )
    line += "."
    if trained.answers.empty:
        line += " That is a default: there were too few examples to learn it from."
    else:
        alarms = float((~trained.answers["known"].astype(bool)).mean())
        line += (
            f" So were {alarms:.1%} of the examples, out of fold, by mistake "
            f"(`false_alarm_rate` was {knowledge.options.false_alarm_rate:.1%})."
        )
    lines = [line]
    if not knowledge.exclusive:
        lines.append("- Each item gets all labels that reach their own threshold, maybe none.")
    elif sets is None:
        lines.append("- No label sets with guaranteed coverage: too few examples.")
    else:
        lines.append(
            "- Label sets (`predict_set`) hold the true label as often as asked for. This rests on "
            f"{_count(len(sets.out_of_fold), 'out-of-fold answer')}, and is guaranteed for items "
            "drawn like the examples: over the labels of like size together, not for each label."
        )
        lines += _unassured(sets, trained.decision)
    return "\n".join(lines)


def _unassured(sets: LabelSets, decision: Decision) -> list[str]:
    """Name the labels of which label sets promise nothing."""
    sizes = np.array(list(decision.sizes.values()), dtype=np.int64)
    _, assured = sets.limits(_COVERAGE).of(sizes)
    lines = []
    cut = len(sets.scores) - len(sets.out_of_fold)
    if cut:
        lines.append(
            f"- For rare labels {_count(cut, 'answer')} stand in to items of larger labels that "
            "were cut down to their size for the purpose."
        )
    names = [name for name, sure in zip(decision.sizes, assured, strict=True) if not sure]
    if names and sets.can_cover(_COVERAGE):
        lines.append(
            f"- For {_count(len(names), 'label')} there are too few answers, of themselves and of "
            f"labels of like size, to promise {_COVERAGE:.0%}: "
            f"{', '.join(first_few(names, card_cell))}. `assured` is False where they are named."
        )
    return lines


def _limits(knowledge: FittedState) -> str:
    limits = [
        "The encoder reads only the start of a long text: the default one 256 word pieces, which "
        "is some 200 English words. The rest has no say.",
        "What is unlike all examples still gets a label. Look at `known` before you use it.",
        "A wrong label among the examples votes like a right one; `label_issues` finds suspects.",
        "Scores, label sets and the threshold of the unknown were all measured on the examples: "
        "when the world changes, or other people write the texts, measure again.",
    ]
    if knowledge.options.tilt is None and knowledge.exclusive and len(set(knowledge.counts)) > 1:
        limits.insert(
            1,
            "In doubt the more frequent label wins, as it did among the examples. "
            'Where labels are to come alike often, fit with `prior="uniform"`.',
        )
    if knowledge.trained.sources.head is not None and not knowledge.example_ids:
        limits.insert(
            0,
            "The labels in words learned from one batch of items without labels, and answer best "
            "about that batch: of other items, fit anew.",
        )
    if not knowledge.options.calibrate:
        limits.insert(0, "Probabilities are not calibrated (`calibrate=False`): use their order.")
    return "\n".join(f"- {limit}" for limit in limits)


def _table(rows: Mapping[str, str], head: tuple[str, ...]) -> str:
    lines = [head, ["---"] * len(head), *rows.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"

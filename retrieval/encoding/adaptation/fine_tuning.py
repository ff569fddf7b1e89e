"""Tune the weights of an encoder on labeled texts, into a folder that works anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from retrieval.arguments import require_choice, require_count, require_number
from retrieval.encoding.adaptation.checkpoints import remove_checkpoint
from retrieval.encoding.adaptation.contrast import Memory, first_anchors
from retrieval.encoding.adaptation.folder import CARD, check_out
from retrieval.encoding.adaptation.schedule import hold_out, most_epochs
from retrieval.encoding.adaptation.trainable import Method, TrainableModel, require_peft
from retrieval.encoding.adaptation.training import Plan, Texts, Trained, Training
from retrieval.encoding.encoder import Encoder
from retrieval.encoding.tuned import write_record
from retrieval.errors import InputError
from retrieval.files import replacing_folder

_RECIPE = 2  # changes with whatever changes what a training makes of the same texts


@dataclass(frozen=True)
class FineTuned:
    """An encoder that was tuned.

    Attributes:
        path: Its folder, a plain sentence-transformers one.
        method: ``"lora"`` or ``"full"``.
        epochs: Passes over the texts that went into its weights.
        losses: Log loss of the held-out texts: before the first pass, and after each.
        held: How many texts were held out.
        seconds: The training took.
        resumed: Whether it went on from a checkpoint.
        ended: ``"early"``: nothing was gained any longer; ``"budget"``; ``"all"`` passes made.
    """

    path: Path
    method: Method
    epochs: float
    losses: tuple[float, ...]
    held: int
    seconds: float
    resumed: bool
    ended: str


def fine_tune(
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    method: Method,
    out: Path,
    label_texts: Mapping[str, str] | None = None,
    groups: Sequence[object] | None = None,
    guessed: Mapping[str, str] | None = None,
    seed: int = 0,
    epochs: int | None = None,
    budget_s: float | None = None,
    checkpoint: Path | None = None,
    progress: bool | None = None,
) -> FineTuned:
    """Tune an encoder so that the neighbors of a text have its label.

    Args:
        encoder: The one to begin with; it is not changed.
        texts: n texts.
        labels: The label of each.
        method: ``"full"`` changes all weights but those of words, ``"lora"`` narrow additions.
        out: Folder of the tuned encoder; it appears whole or not at all.
        label_texts: Label → its name in words, or its description: where its anchor begins. None,
            and for labels that it lacks: the label itself.
        groups: Of texts that belong together, such as variants: held out together. None: none do.
        guessed: Text → label, of texts whose label is not known for sure: they are learned from as
            the others are, and never held out. Labels are among those of the others.
        seed: Draws what is held out, and the batches.
        epochs: Passes over all texts, none held out. None: a tenth is held out, and tells when to
            stop and which weights are the best.
        budget_s: Seconds the training may take; it is planned so that it ends well within them.
            None: as many as it needs.
        checkpoint: Folder where to keep how far it is: killed and called again alike, it goes on
            there. It is removed at the end. None: none is kept.
        progress: Show a progress bar; None shows it for long work only.

    Raises:
        InputError: There is one label only, the entries do not match, the encoder has no weights
            here, peft is missing, or the budget is too small for a single pass.
    """
    _check(texts, labels, groups, method, epochs, budget_s)
    check_out(out, overwrite=True)
    texts, labels, groups = _distinct(texts, labels, groups)
    kinds, numbers = np.unique(np.array(labels, dtype=object).astype(str), return_inverse=True)
    numbers = numbers.astype(np.int64)
    held = np.zeros(len(texts), dtype=bool)
    if epochs is None:
        held = hold_out(numbers, groups, seed)
    if guessed:
        texts, labels = [*texts, *guessed], [*labels, *guessed.values()]
        numbers = np.r_[numbers, np.searchsorted(kinds, np.array([*guessed.values()]))]
        held = np.r_[held, np.zeros(len(guessed), dtype=bool)]
    names = [_words(one, label_texts) for one in kinds.tolist()]
    vectors, anchors = encoder.encode(texts), encoder.encode(names)
    model = TrainableModel(encoder, method, seed)
    memory = Memory(torch.from_numpy(vectors[~held]), torch.from_numpy(numbers[~held]))
    task = Texts(_chosen(texts, ~held), _chosen(texts, held), torch.from_numpy(numbers[held]))
    most = epochs or most_epochs(len(task.learned))
    described = [method, most, seed, texts, labels, names, held.tolist()]
    plan = Plan(_mark(encoder, described), method, most, seed, budget_s, checkpoint)
    training = Training(model, task, memory, first_anchors(anchors, memory), plan)
    trained = training.run(progress)
    with replacing_folder(out) as folder:
        model.save(folder)
        card = _card(encoder, method, len(task.learned), len(kinds), seed, trained)
        (folder / CARD).write_text(card, encoding="utf-8")
        write_record(folder, method, encoder.identity, encoder._files, None)
    if checkpoint is not None:
        remove_checkpoint(checkpoint)
    return FineTuned(
        out,
        method,
        trained.epochs,
        trained.losses,
        int(held.sum()),
        trained.seconds,
        trained.resumed,
        trained.ended,
    )


def _check(
    texts: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[object] | None,
    method: str,
    epochs: int | None,
    budget_s: float | None,
) -> None:
    require_choice(method, "method", ("lora", "full"))
    if method == "lora":
        require_peft()
    if epochs is not None:
        require_count(epochs, "epochs")
    if budget_s is not None:
        require_number(budget_s, "budget_s", above=0)
    if len(texts) != len(labels):
        raise InputError(f"there are {len(texts):,} texts and {len(labels):,} labels")
    if groups is not None and len(groups) != len(texts):
        raise InputError(f"there are {len(texts):,} texts and {len(groups):,} groups")
    kinds = {str(one) for one in labels}
    if len(kinds) < 2:
        raise InputError(
            f"an encoder learns to tell labels apart: at least two are needed, there are: "
            f"{', '.join(sorted(kinds)) or 'none'}"
        )


def _distinct(
    texts: Sequence[str], labels: Sequence[str], groups: Sequence[object] | None
) -> tuple[list[str], list[str], list[object] | None]:
    """Leave out a text that is there with its label already: it would find itself."""
    first = {
        pair: row for row, pair in reversed([*enumerate(zip(texts, map(str, labels), strict=True))])
    }
    rows = sorted(first.values())
    return (
        [texts[row] for row in rows],
        [str(labels[row]) for row in rows],
        None if groups is None else [groups[row] for row in rows],
    )


def _chosen(texts: Sequence[str], mask: npt.NDArray[np.bool_]) -> list[str]:
    return [text for text, chosen in zip(texts, mask.tolist(), strict=True) if chosen]


def _words(label: str, label_texts: Mapping[str, str] | None) -> str:
    given = (label_texts or {}).get(label, "")
    return given if given.strip() else label.replace("_", " ").strip() or label


def _mark(encoder: Encoder, described: Sequence[object]) -> str:
    content = json.dumps([_RECIPE, encoder.identity.revision, *described])
    return hashlib.sha256(content.encode()).hexdigest()


def _card(encoder: Encoder, method: str, n: int, n_labels: int, seed: int, trained: Trained) -> str:
    weights = "all weights but those of words" if method == "full" else "LoRA, merged"
    lines = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "---",
        f"# {Path(encoder.name).name}, tuned on labels",
        "",
        f"- Base: {encoder.identity.describe()}",
        f"- Tuned: {weights}; supervised contrast with an anchor for each label",
        f"- Data: {n:,} texts of {n_labels:,} labels; {trained.epochs:g} passes, seed {seed}",
    ]
    if trained.losses:
        told = (
            f"{trained.losses[0]:.4f} before, {min(trained.losses[1:], default=np.nan):.4f} after"
        )
        lines.append(f"- Log loss of held-out texts, which chose the weights: {told}")
    lines += [
        "",
        "Neighbors are the nearest in these labels' sense; for other questions about the same "
        "texts the base may be the better encoder. Vectors of the base and of this encoder cannot "
        "be compared.",
        "",
    ]
    return "\n".join(lines)

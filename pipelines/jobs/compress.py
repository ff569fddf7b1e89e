"""The job behind ``likewise compress``: an encoder made smaller or faster on one's own texts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import structlog

from pipelines.components import make_encoder
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import (
    TableInput,
    item_kinds,
    name_of,
    read_items,
    require_text,
    source_of,
)
from pipelines.jobs.evaluation import read_labeled
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from retrieval import (
    Distillation,
    InputError,
    Quantization,
    distill,
    item_texts,
    quantize,
    validate_items,
)

_log = structlog.stdlib.get_logger(__name__)

Form = Literal["static", "int8"]
FORMS: tuple[Form, ...] = get_args(Form)


def compress_job(
    settings: Settings,
    items: TableInput | None = None,
    *,
    to: str,
    out: Path,
    seed: int = 0,
    quarantine: Quarantine | None = None,
) -> Distillation | Quantization:
    """Write another form of the settings' encoder, fitted to the texts of some items.

    Args:
        settings: `items` maps the columns, `encoder` says what is compressed.
        items: Items whose texts are of the kind that will be encoded; None: the table the settings
            name. With a column of labels ``int8`` is judged by them, and learns from labeled rows
            alone; else by clusters of the texts.
        to: ``"static"``: a table of tokens, as `retrieval.distill` makes it; ``"int8"``: whole
            numbers, as `retrieval.quantize`.
        out: The folder to write; it must be new or empty.
        seed: Draws the texts that judge.
        quarantine: What becomes of bad rows; None: as the settings say.

    Raises:
        InputError: A table or column is missing or wrong, the texts are too few, the encoder is of
            a kind that has no such form, a package is missing, or `out` is there already.
        LabelsMoveError: In whole numbers labels would move; nothing was written.
    """
    if to not in FORMS:
        raise InputError(f"--to {to!r}: is none of {', '.join(FORMS)}")
    require_text(settings.items)
    items = items if items is not None else source_of(settings.items.source, "items")
    quarantine = quarantine or Quarantine.of(settings, "compress")
    refuse_overwriting(settings, Write("--out", out), quarantine.written, items=items)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: is there already; name another folder")
    labels = None
    if to == "int8" and settings.items.label is not None:
        labeled = read_labeled(settings, quarantine, items, None)
        table, labels = labeled.items, None if labeled.lists is not None else labeled.labels
    else:
        table = _read(settings, quarantine, items)
    texts = item_texts(table, settings.items.text).tolist()
    encoder = make_encoder(settings)
    with timed(_log, "encoder compressed", to=to, items=len(texts)):
        if to == "static":
            return distill(encoder, texts, out=out, seed=seed)
        return quantize(encoder, texts, labels=labels, out=out, seed=seed)


def in_words(done: Distillation | Quantization) -> str:
    """Say how close an encoder is to the one it was made of."""
    if isinstance(done, Distillation):
        said = f"{done.tokens:,} tokens of {done.dim} numbers, fitted to {done.fitted_to:,} texts"
        if done.cosine is None:
            return f"{said}: too few to fit to; it knows the vocabulary alone"
        return f"{said}; mean similarity to the encoder's vectors, held out: {done.cosine:.3f}"
    said = (
        f"calibrated on {done.calibrated_on:,} texts; of {done.judged_on:,} others "
        f"{done.moved:.2%} get another label"
    )
    if done.accuracy_before is not None and done.accuracy_after is not None:
        said += f"; right are {done.accuracy_before:.2%} before, {done.accuracy_after:.2%} after"
    return f"{said}; {done.speedup:.1f} times as fast, in one run"


def _read(settings: Settings, quarantine: Quarantine, items: TableInput) -> pd.DataFrame:
    """Read the items' texts, and nothing else of them."""
    nothing = {"attributes": (), "launch_date": None, "label": None}
    columns = settings.items.model_copy(update=nothing)

    def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
        kinds = item_kinds(columns, {})
        return read_items(there, columns, kinds, skip=skip, pictures=settings.pictures)

    def use(table: pd.DataFrame) -> pd.DataFrame:
        source = name_of(items, "items")
        return validate_items(table, item_id=columns.id, text=columns.text, source=source)

    return quarantine.screen("items", items, read, use, id_col=columns.id).result

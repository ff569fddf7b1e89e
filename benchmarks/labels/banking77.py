"""The data of `classification.py`: what is learned from, what is judged, what few-shot draws from.

BANKING77 (Casanueva et al., "Efficient Intent Detection with Dual Sentence Encoders", 2020; CC BY
4.0) as a folder of train.csv and test.csv with columns text and category.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from retrieval import Encoder

_JUDGED = 0.2


@dataclass(frozen=True)
class Setting:
    """What one run of the benchmark is asked to do; travels to the process of each part.

    Attributes:
        data: Folder of train.csv and test.csv.
        on: What is judged: a fixed stratified fifth of train.csv, or test.csv.
        seeds: They draw the examples, and the labels held out.
        quick: Fewer seeds, items and draws: shows that all runs, and nothing else.
        setfit_python: Python of an environment with SetFit; None leaves SetFit out.
        setfit_pairs: See `setfit_contestant.py`.
        work: Folder of the vector cache and of SetFit's trained model.
    """

    data: Path
    on: Literal["train", "test"]
    seeds: tuple[int, ...]
    quick: bool
    setfit_python: Path | None
    setfit_pairs: int
    work: Path


@dataclass(frozen=True)
class Task:
    """Examples to learn from, and items to judge by.

    Attributes:
        train: Columns `text` and `label`.
        test: The same.
        labels: Every label's name, sorted.
        encoder: Remembers vectors on disk, so that each text is embedded once in a run.
        unlabeled: Texts to learn from without their labels, none of `test`.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    labels: list[str]
    encoder: Encoder
    unlabeled: list[str]

    def vectors(self, table: pd.DataFrame) -> npt.NDArray[np.float32]:
        """Return unit vectors of a table's texts, (n, d)."""
        return self.encoder.encode(table["text"].tolist(), progress=False)


def full_task(setting: Setting) -> Task:
    """Everything that may be learned from, and the items judged."""
    learned, held = _halves(setting)
    if setting.on == "test":
        learned, held = pd.concat([learned, held]), _read(setting.data / "test.csv")
    if setting.quick:
        held = held.sample(400, random_state=0)
    return _task(setting, learned, held)


def few_shot_task(setting: Setting, per_label: int, seed: int) -> Task:
    """So many examples of each label; the same ones whatever is judged."""
    drawn = _halves(setting)[0].groupby("label").sample(per_label, random_state=seed)
    return _task(setting, drawn, full_task(setting).test)


def speed_texts(setting: Setting) -> list[str]:
    """Distinct texts to be labeled against the clock; their labels are not looked at."""
    texts = _read(setting.data / "train.csv")["text"].drop_duplicates()
    return texts.tolist()[: 1_000 if setting.quick else 10_000]


def _halves(setting: Setting) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = _read(setting.data / "train.csv")
    learned, held = train_test_split(
        table, test_size=_JUDGED, stratify=table["label"], random_state=0
    )
    return learned, held


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).rename(columns={"category": "label"})[["text", "label"]]


def _task(setting: Setting, train: pd.DataFrame, test: pd.DataFrame) -> Task:
    return Task(
        train=train.reset_index(drop=True),
        test=test.reset_index(drop=True),
        labels=sorted(train["label"].unique()),
        encoder=Encoder(cache_dir=setting.work / "vectors"),
        unlabeled=_halves(setting)[0]["text"].tolist(),
    )

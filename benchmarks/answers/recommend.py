"""Who buys a launch, and what does a household buy? Recommendations beside their baselines.

Run: ``python -m benchmarks.answers.recommend [--week 45] [--parts launches known]`` on the
households of Complete Journey. What was bought until the end of the week tells; the eight weeks
after it are what is to be found. Everything was chosen with ``--week 37``; the default, the last
eight weeks of the data, was read once. ALS is of the package implicit (``likewise[bench]``).

Launches: products new on the market in those weeks, of which nobody had bought any. *recall@50 of
buyers* is the share of a launch's buyers among the 50 households named, mean over launches.
*recall@50 of launches* turns it round: of the launches a household bought, the share among the 50
named to it (of at most 50), mean over households that bought one. Item-kNN and ALS cannot see a new
product: here they score it as the mean of the ten known products most like it.

Known products: recall@50 of what a household bought in those weeks, and of the part of it that it
had not bought before, mean over 300 households drawn. Intervals: paired bootstrap over launches, or
households.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from benchmarks.answers.households import WEEKS, Households, last_day, load_households
from benchmarks.measuring.circumstances import machine_and_versions
from pipelines.recommendations.kernel import Asked
from pipelines.recommendations.known import KnownItems
from pipelines.recommendations.launches import Affinity, Profiles
from pipelines.recommendations.recommender import shelf_of
from pipelines.recommendations.tastes import find_tastes
from retrieval import Encoder

OURS, K, DRAWS, SAMPLE, LIKE = "likewise", 50, 2_000, 300, 10
BY_CATEGORY = "popularity by category"
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating]


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--week", type=int, default=45)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", default=["launches", "known"])
    given = parser.parse_args()
    print(machine_and_versions(["scipy", "scikit-learn", "implicit"]))
    world = load_households(Encoder())
    trial = Trial(world, last_day(given.week))
    if "launches" in given.parts:
        launches(trial, given.seeds)
    if "known" in given.parts:
        known(trial, given.seeds)


class Trial:
    """What is known until a day, and what came in the weeks after it."""

    def __init__(self, world: Households, day: int) -> None:
        self.day = day
        self.vectors = world.catalog.vectors
        self.shelf = shelf_of(world.catalog)
        self.histories = world.histories
        past = world.histories.until(day)
        self.bought = past.bought()
        self.weights = past.weights(day)
        self.after = world.histories.within(day, day + 7 * WEEKS).bought()
        self.category = self.shelf.groups["product_category"]

    def by_category(self) -> npt.NDArray[np.float32]:
        """(households, categories) log(1 + purchases)."""
        n = len(self.category)
        members = sp.csr_matrix((np.ones(n), (np.arange(n), self.category)))
        return np.log1p((self.weights @ members).toarray()).astype(np.float32)

    def mean_vectors(self) -> npt.NDArray[np.float32]:
        """(households, d) unit means of what each bought."""
        means = self.weights @ self.vectors
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def by_tastes(self, people: Sequence[int], items: npt.NDArray[np.int64]) -> Scores:
        """(people, items) cosine of the nearest taste."""
        found = np.zeros((len(people), len(items)), dtype=np.float32)
        for at, row in enumerate(people):
            mine = self.weights[[row]]
            if mine.nnz:
                centers = find_tastes(self.vectors[mine.indices], mine.data).centers
                found[at] = (self.vectors[items] @ centers.T).max(axis=1)
        return found

    def als(self, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return factors of households and products."""
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=64,
            regularization=0.1,
            alpha=5.0,
            iterations=10,
            random_state=seed,
            num_threads=1,
        )
        model.fit(self.weights.astype(np.float32), show_progress=False)
        return model.user_factors, model.item_factors

    def item_neighbors(self, people: npt.NDArray[np.int64]) -> Scores:
        """(people, all items) sums of cosines of items by who bought them."""
        squares = np.asarray(self.weights.multiply(self.weights).sum(axis=0)).ravel()
        scaled = self.weights @ sp.diags_array(np.maximum(squares, 1e-9) ** -0.5)
        others = (scaled.tocsr()[people] @ self.weights.T).toarray()
        return np.asarray(others @ scaled, dtype=np.float32)


# --- launches ------------------------------------------------------------------------------------


def launches(trial: Trial, seeds: Sequence[int]) -> None:
    """Measure new products, both ways round."""
    items = trial.shelf.launched(trial.day, trial.day + 7 * WEEKS)
    items = items[trial.bought[:, items].getnnz(axis=0) == 0]
    items = items[trial.after[:, items].getnnz(axis=0) > 0]
    came = trial.after[:, items].toarray() > 0
    methods: dict[str, list[Scores]] = {
        name: [score] for name, score in _of_launches(trial, items).items()
    }
    methods["ALS, of like items"] = [_als_of_launches(trial, items, seed) for seed in seeds]
    profiles = Profiles.on(trial.histories, trial.shelf, trial.day)
    methods[OURS] = []
    for seed in seeds:
        affinity = Affinity.learn(trial.histories, trial.shelf, trial.day, seed=seed)
        methods[OURS].append(affinity.scores(profiles, items))
    print(f"\nLaunches: {len(items):,} with a buyer, {int(came.sum()):,} purchases")
    tables = {
        "recall@50 of buyers": lambda score: _recall(score.T, came.T),
        "recall@50 of launches": lambda score: _recall(score, came),
    }
    for title, measure in tables.items():
        show(title, {name: [measure(one) for one in made] for name, made in methods.items()})


def _of_launches(trial: Trial, items: npt.NDArray[np.int64]) -> dict[str, Scores]:
    everyone = np.arange(len(trial.histories.people))
    n = len(items)
    activity = np.asarray(trial.weights.sum(axis=1)).ravel()
    category = trial.category[items]
    total = np.asarray(trial.weights.sum(axis=0)).ravel()
    of_category = np.bincount(trial.category, total)[category]
    pooled = trial.shelf.contents.pooled(trial.weights)
    mean = trial.mean_vectors() @ trial.vectors[items].T
    neighbors = trial.item_neighbors(everyone)
    like = _like(trial, items)
    return (
        {
            # Popular households; for a household, launches of popular categories.
            "popularity": activity[:, None] + 1e-9 * of_category[None],
            BY_CATEGORY: trial.by_category()[:, category],
            "item-kNN, of like items": np.asarray(neighbors @ like.T),
            "embedding mean": mean,
            "tastes, nearest": trial.by_tastes(range(len(everyone)), items),
            "likeness alone": Asked.of(trial.shelf.contents, items, pooled).likeness(pooled),
            "launches of popular categories": np.repeat(of_category[None], len(everyone), axis=0),
        }
        if n
        else {}
    )


def _like(trial: Trial, items: npt.NDArray[np.int64]) -> sp.csr_matrix:
    """Return (launches, all items): a tenth at each of the ten known products most like one."""
    known = np.unique(trial.bought.indices)
    rows, columns = [], []
    for at in range(0, len(items), 200):
        alike = trial.vectors[items[at : at + 200]] @ trial.vectors[known].T
        best = np.argpartition(-alike, LIKE, axis=1)[:, :LIKE]
        columns.append(known[best].ravel())
        rows.append(np.repeat(np.arange(at, at + len(best)), LIKE))
    place = np.concatenate(rows), np.concatenate(columns)
    shape = (len(items), len(trial.category))
    return sp.csr_matrix((np.full(len(place[0]), 1 / LIKE), place), shape=shape)


def _als_of_launches(trial: Trial, items: npt.NDArray[np.int64], seed: int) -> Scores:
    people, factors = trial.als(seed)
    return np.asarray(people @ (_like(trial, items) @ factors).T)


# --- known products ------------------------------------------------------------------------------


def known(trial: Trial, seeds: Sequence[int]) -> None:
    """Measure known products: all that was bought, and what a household had not bought before."""
    found: dict[str, dict[str, list[Floats]]] = {"of all": {}, "not bought before": {}}
    for seed in seeds:
        learned = KnownItems.learn(trial.weights, trial.shelf.contents, seed)
        came = trial.after[:, learned.items].tocsr()
        before = trial.bought[:, learned.items].tocsr()
        fresh = (came - came.multiply(before)).tocsr()
        fresh.eliminate_zeros()
        able = np.flatnonzero((fresh.getnnz(axis=1) > 0) & (before.getnnz(axis=1) >= 5))
        drawn = np.random.default_rng(seed).permutation(able)[:SAMPLE]
        seen = before[drawn].toarray() > 0
        targets = {
            "of all": came[drawn].toarray() > 0,
            "not bought before": fresh[drawn].toarray() > 0,
        }
        for name, score in _of_known(trial, learned, drawn, seed):
            for title, target in targets.items():
                is_all = title == "of all"
                rated = score if is_all else np.where(seen, -np.inf, score)
                if name == OURS and is_all:
                    rated = score + learned.bought_again(drawn)
                found[title].setdefault(name, []).append(_recall(rated, target))
    for title, methods in found.items():
        pooled = {name: [np.concatenate(parts)] for name, parts in methods.items()}
        show(
            f"Known products, recall@50 {title}, {len(seeds)} draws of {SAMPLE} households", pooled
        )


def _of_known(
    trial: Trial, learned: KnownItems, people: npt.NDArray[np.int64], seed: int
) -> Iterator[tuple[str, Scores]]:
    items = learned.items
    popular = np.asarray(trial.bought[:, items].sum(axis=0)).ravel()
    category = trial.category[items]
    share = popular / np.bincount(category, popular)[category]
    mine = trial.by_category()[people]
    users, factors = trial.als(seed)
    mean = trial.mean_vectors()[people]
    yield "popularity", np.repeat(popular[None], len(people), axis=0)
    yield BY_CATEGORY, mine[:, category] * share[None]
    yield "item-kNN", trial.item_neighbors(people)[:, items]
    yield "ALS", users[people] @ factors[items].T
    yield "embedding mean", mean @ trial.vectors[items].T
    yield OURS, learned.scores(people, again=False)


# --- measures ------------------------------------------------------------------------------------


def _recall(scores: Scores, right: npt.NDArray[np.bool_]) -> Floats:
    """(rows with something to find,) share of it among the best 50 of each row; ties by chance."""
    rows = right.any(axis=1)
    scores, right = scores[rows], right[rows]
    order = np.random.default_rng(0).permutation(scores.shape[1])
    mixed = scores[:, order]
    top = (
        np.argpartition(-mixed, K, axis=1)[:, :K]
        if mixed.shape[1] > K
        else np.arange(mixed.shape[1])[None].repeat(len(mixed), 0)
    )
    hits = np.take_along_axis(right[:, order], top, axis=1).sum(axis=1)
    return np.asarray(hits / np.minimum(right.sum(axis=1), K), dtype=np.float64)


def show(title: str, methods: Mapping[str, Sequence[Floats]]) -> None:
    """Print one table: the methods, and what ours has over each."""
    means = {name: np.mean(seeds, axis=0) for name, seeds in methods.items()}
    rows = {}
    for name, values in means.items():
        gain = means[OURS] - values
        low, high = _interval(gain)
        rows[name] = {
            "recall@50": f"{values.mean():.4f}",
            "times": f"{means[OURS].mean() / max(values.mean(), 1e-9):.2f}",
            "ours over it": "" if name == OURS else f"{gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]",
            "seeds": " ".join(f"{one.mean():.4f}" for one in methods[name]),
        }
    print(f"\n{title}: n = {len(means[OURS]):,}")
    print(pd.DataFrame(rows).T.to_string(), flush=True)


def _interval(values: Floats) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    means = [values[generator.integers(len(values), size=len(values))].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()

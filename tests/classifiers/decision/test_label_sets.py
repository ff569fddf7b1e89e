import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from classifiers.decision.label_sets import LabelSets
from retrieval import InputError

NAMES = np.array(["a", "b", "c", "d"], dtype=object)


def _answers(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels drawn from them: label d is always hard."""
    scores = rng.normal(size=(n, 4)) * 2
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    targets = (rng.random((n, 1)) > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)
    hard = targets == 3
    proba[hard, 3] *= 0.2
    return proba / proba.sum(axis=1, keepdims=True), targets


def _of(proba: np.ndarray, targets: np.ndarray) -> LabelSets:
    scores = 1 - proba[np.arange(len(proba)), targets]
    return LabelSets(scores, NAMES[targets], np.full(len(targets), 30))


def _members(
    learned: LabelSets, proba: np.ndarray, coverage: float, *, per_label: bool = False
) -> np.ndarray:
    """The sets where every label has 30 examples."""
    sizes = np.full(len(NAMES), 30)
    return learned.members(proba, NAMES, sizes, coverage, per_label=per_label)[0]


@pytest.mark.parametrize(("coverage", "n"), [(0.9, 19), (0.9, 60), (0.5, 10), (0.8, 100)])
def test_the_true_label_is_in_the_set_as_often_as_wanted(coverage: float, n: int) -> None:
    # The guarantee: for exchangeable items coverage lies in [c, c + 1 / (n + 1)], on average over
    # the draws of examples and items.
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        learned = _of(*_answers(n, rng))
        proba, targets = _answers(50, rng)
        covered.append(_members(learned, proba, coverage)[np.arange(50), targets].mean())
    error = 3 * np.std(covered) / np.sqrt(len(covered))
    assert coverage - error <= np.mean(covered) <= coverage + 1 / (n + 1) + error


def test_the_answer_that_sets_the_threshold_is_within_it() -> None:
    proba, targets = _answers(99, np.random.default_rng(4))
    inside = _members(_of(proba, targets), proba, 0.9)
    assert inside[np.arange(99), targets].sum() == 90  # of 100, the new item included


def test_per_label_the_hard_label_is_covered_too() -> None:
    rng = np.random.default_rng(1)
    learned = _of(*_answers(4000, rng))
    proba, targets = _answers(8000, rng)

    def of_each(per_label: bool) -> np.ndarray:
        inside = _members(learned, proba, 0.9, per_label=per_label)
        hit = inside[np.arange(len(targets)), targets]
        return np.array([hit[targets == label].mean() for label in range(4)])

    assert of_each(per_label=False)[3] < 0.88
    assert of_each(per_label=True) == pytest.approx(np.full(4, 0.9), abs=0.03)


def test_a_label_with_few_answers_shares_the_threshold() -> None:
    rng = np.random.default_rng(2)
    proba, targets = _answers(500, rng)
    rare = np.flatnonzero(targets == 3)[5:]
    kept = np.setdiff1d(np.arange(500), rare)
    learned = _of(proba[kept], targets[kept])
    together = _members(learned, proba, 0.9)
    apart = _members(learned, proba, 0.9, per_label=True)
    assert (apart[:, 3] == together[:, 3]).all()
    assert (apart[:, :3] != together[:, :3]).any()


@pytest.mark.parametrize(("n", "most"), [(9, 0.9), (19, 0.95), (1, 0.5)])
def test_more_coverage_needs_more_answers(n: int, most: float) -> None:
    learned = LabelSets(np.zeros(n), np.repeat("a", n).astype(object), np.full(n, n))
    assert learned.can_cover(most)
    assert not learned.can_cover(most + 0.02)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 90, float("nan")])
def test_coverage_is_a_share(coverage: float) -> None:
    with pytest.raises(InputError, match="coverage must be between 0 and 1"):
        LabelSets(np.zeros(5), NAMES[[0] * 5], np.full(5, 5)).can_cover(coverage)


class _Said(ClassifierMixin, BaseEstimator):
    """What MAPIE takes for a classifier: its input is its answer."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Said":
        self.classes_ = np.arange(4)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X

    def predict(self, X: np.ndarray) -> np.ndarray:
        return X.argmax(axis=1)


@pytest.mark.parametrize("coverage", [0.7, 0.9, 0.95])
def test_sets_are_those_of_mapie(coverage: float) -> None:
    rng = np.random.default_rng(3)
    proba, targets = _answers(300, rng)
    later, _ = _answers(400, rng)
    said = _Said().fit(proba, targets)
    mapie = SplitConformalClassifier(
        said, confidence_level=coverage, conformity_score="lac", prefit=True
    )
    _, expected = mapie.conformalize(proba, targets).predict_set(later)
    inside = _members(_of(proba, targets), later, coverage)
    assert (inside == expected[:, :, 0]).all()


def _two_sizes(rng: np.random.Generator) -> LabelSets:
    """400 answers to labels a and b of 200 examples; 12 less sure ones to c of 12; 100 to cut."""
    labels = np.concatenate([NAMES[[0, 1] * 200], NAMES[[2] * 12], np.full(100, None)])
    scores = np.concatenate([rng.uniform(0, 0.5, 400), rng.uniform(0.5, 1, 112)])
    return LabelSets(scores, labels, np.repeat([200, 12], [400, 112]))


def test_a_small_label_has_a_threshold_of_its_size_and_the_others_keep_theirs() -> None:
    learned = _two_sizes(np.random.default_rng(5))
    doubts = np.linspace(0, 1, 401)[:, None]
    inside, assured = learned.members(
        1 - np.repeat(doubts, 4, axis=1), NAMES, np.array([200, 200, 12, 3]), 0.9
    )
    reached = np.where(inside, doubts, 0).max(axis=0)
    assert reached[:2] == pytest.approx(0.45, abs=0.03)
    assert reached[2] == pytest.approx(0.95, abs=0.03)
    assert reached[3] == reached[2], "of a size that no label had, the next larger one's"
    assert assured.tolist() == [True, True, True, False]


def test_answers_of_labels_cut_down_are_nobodys_own() -> None:
    learned = _two_sizes(np.random.default_rng(6))
    assert len(learned.out_of_fold) == 412
    assert learned.can_cover(1 - 1 / 413)
    assert not learned.can_cover(1 - 1 / 414)

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from classifiers.scorers.linear_head import affordable, fit_head, is_sampled

NAMES = np.array(["a", "b", "c", "d"], dtype=object)


def _clusters(labels: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(labels, 30)
    vectors = np.eye(6)[targets] + 0.2 * rng.normal(size=(len(targets), 6))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), targets


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 3]])
def test_the_head_learns_the_labels_there_are(labels: list[int]) -> None:
    vectors, targets = _clusters(labels)
    head = fit_head(vectors, targets, np.ones(len(targets)), NAMES)
    assert head is not None
    assert head.names.tolist() == NAMES[labels].tolist()
    fresh, truth = _clusters(labels, seed=1)
    proba = head.proba(fresh)
    assert np.allclose(proba.sum(axis=1), 1)
    assert (np.array(labels)[proba.argmax(axis=1)] == truth).mean() > 0.97


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 3]])
def test_its_arrays_answer_as_scikit_learn_does(labels: list[int]) -> None:
    vectors, targets = _clusters(labels)
    head = fit_head(vectors, targets, np.ones(len(targets)), NAMES)
    assert head is not None
    # One parameter differs between the two labels' line and the softmax over both; two lines of
    # scikit-learn's own model must give the same, whatever the penalty is.
    model = LogisticRegression()
    model.classes_ = np.array(labels)
    model.coef_, model.intercept_ = head.coef, head.intercept
    if len(labels) == 2:
        model.coef_, model.intercept_ = head.coef[[1]], head.intercept[[1]]
    assert head.proba(vectors) == pytest.approx(model.predict_proba(vectors), abs=1e-5)


def test_an_example_can_count_for_more() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0]]
    targets = np.array([0, 1])
    head = fit_head(vectors, targets, np.array([3.0, 1.0]), NAMES)
    assert head is not None
    assert head.proba(vectors)[0, 0] == pytest.approx(0.75, abs=0.02)


def test_several_labels_are_learned_one_by_one() -> None:
    rng = np.random.default_rng(2)
    vectors, _ = _clusters([0, 1, 2, 3])
    has = vectors[:, :4] > 0.5
    has[:, 3] = True  # of every example, so that nothing can be learned of it
    head = fit_head(vectors, has, np.ones(len(has)), NAMES)
    assert head is not None
    assert head.names.tolist() == ["a", "b", "c"]
    assert head.proba(vectors) == pytest.approx(
        expit(vectors @ head.coef.T + head.intercept), abs=1e-5
    )
    assert ((head.proba(vectors) > 0.5) == has[:, :3]).mean() > 0.95
    shuffled = has[rng.permutation(len(has))]
    assert ((head.proba(vectors) > 0.5) == shuffled[:, :3]).mean() < 0.8


def test_labels_that_are_gone_leave_their_probability_to_the_rest() -> None:
    vectors, targets = _clusters([0, 1, 2])
    head = fit_head(vectors, targets, np.ones(len(targets)), NAMES)
    assert head is not None
    among = np.array([True, False, True])
    rest = head.proba(vectors, among)
    whole = head.proba(vectors)[:, among]
    assert rest == pytest.approx(whole / whole.sum(axis=1, keepdims=True), abs=1e-5)


@pytest.mark.parametrize(
    "targets", [np.zeros(4, dtype=np.intp), np.ones((4, 2), bool), np.zeros((4, 2), bool)]
)
def test_where_no_two_labels_differ_there_is_no_head(targets: np.ndarray) -> None:
    assert fit_head(np.eye(4, dtype=np.float32), targets, np.ones(4), NAMES) is None


def test_the_more_labels_the_fewer_examples_until_they_are_sampled() -> None:
    sizes = [affordable(n_labels) for n_labels in (2, 77, 500)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] >= 10_000  # a data set of ordinary size is used whole
    assert not is_sampled(500)
    assert is_sampled(10_000)
    assert affordable(10_000) >= 100_000
    # A line a label, each fitted on its own, takes too long; and past any size there is no head.
    assert affordable(10_000, exclusive=False) == affordable(1_000_000) == 0


def test_a_head_of_very_many_labels_knows_those_that_have_examples() -> None:
    n_labels, dim = 1_300, 32
    names = np.array([f"{number:04}" for number in range(n_labels)], dtype=object)
    centers = np.random.default_rng(0).normal(size=(n_labels, dim))
    targets = np.arange(2 * n_labels) % (n_labels - 1)  # the last one has none
    noise = np.random.default_rng(1).normal(size=(len(targets), dim))
    vectors = centers[targets] + 0.5 * noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    head = fit_head(vectors, targets, np.ones(len(targets)), names, seed=1)
    assert head is not None
    assert head.names.tolist() == names[:-1].tolist()
    proba = head.proba(vectors)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba.argmax(axis=1) == targets).mean() > 0.95

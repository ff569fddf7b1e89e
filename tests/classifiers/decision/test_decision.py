from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import norm

from classifiers.decision.decision import Decision, without_floor
from classifiers.decision.novelty import Novelty
from classifiers.scorers.ensemble import ANY, HEAD, NEIGHBORS, PROTOTYPES, Blend
from classifiers.scorers.temperature import Scaling

NAMES = np.array(["a", "b", "c"], dtype=object)
PARTS = [NEIGHBORS, PROTOTYPES, HEAD]


def _decision(blend: Blend, *, exclusive: bool = True, slope: float = 1.0) -> Decision:
    scaling = Scaling(slope, exclusive=exclusive)
    return Decision(exclusive, blend, scaling, Novelty.unlearned(), closeness={})


def _rows(data: st.DataObject, n_labels: int) -> np.ndarray:
    raw = data.draw(arrays.arrays(np.float64, (3, n_labels), elements=st.floats(0, 1)))
    raw[:, 0] += 0.01
    return raw / raw.sum(axis=1, keepdims=True)


@given(
    st.data(),
    st.sampled_from([0.0, 0.01]),
    st.floats(0.2, 5),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
def test_probabilities_sum_to_one(
    data: st.DataObject, floor: float, slope: float, factors: list[float]
) -> None:
    knows = data.draw(arrays.arrays(bool, 3).filter(lambda known: known.any()))
    parts = {
        NEIGHBORS: _rows(data, 3),
        PROTOTYPES: _rows(data, 3),
        HEAD: _rows(data, int(knows.sum())),
    }
    tilt = dict(zip(NAMES, factors, strict=True))
    decision = replace(_decision(Blend.default(PARTS, floor), slope=slope), tilt=tilt)
    added = decision.contributions(parts, knows)
    assert np.allclose(sum(added.values()).sum(axis=1), 1)  # type: ignore[union-attr]
    assert np.allclose(decision.probabilities(added, NAMES).sum(axis=1), 1)


@given(st.data(), st.sampled_from([(0.0, 0.0, 1.0), (0.2, 0.3, 0.5), (1.0, 0.0, 0.0)]))
def test_the_head_adds_nothing_to_labels_it_does_not_know(
    data: st.DataObject, shares: tuple[float, ...]
) -> None:
    # A head that learned to be trusted alone is no reason to fail once a label is new to it.
    blend = Blend({**dict(zip(PARTS, shares, strict=True)), ANY: 0.0})
    knows = np.array([True, False, True])
    parts = {NEIGHBORS: _rows(data, 3), PROTOTYPES: _rows(data, 3), HEAD: _rows(data, 2)}
    added = _decision(blend).contributions(parts, knows)
    assert (added[HEAD][:, 1] == 0).all()
    assert np.allclose(sum(added.values()).sum(axis=1), 1)  # type: ignore[union-attr]
    # The new label keeps the whole probability that the others give it.
    weight = shares[0] + shares[1]
    mine, its = (shares[0] / weight, shares[1] / weight) if weight else (0.5, 0.5)
    others = mine * parts[NEIGHBORS] + its * parts[PROTOTYPES]
    assert np.allclose(added[NEIGHBORS][:, 1] + added[PROTOTYPES][:, 1], others[:, 1])


def test_a_head_that_is_gone_takes_no_probability_with_it() -> None:
    said = {part: np.array([[0.5, 0.25, 0.25]]) for part in (NEIGHBORS, PROTOTYPES)}
    decision = _decision(Blend.default(PARTS, 0.0))
    added = decision.contributions(said, np.zeros(3, dtype=bool))
    assert set(without_floor(added)) == {NEIGHBORS, PROTOTYPES}
    assert decision.probabilities(added, NAMES) == pytest.approx(np.array([[0.5, 0.25, 0.25]]))


@given(st.data(), st.floats(0.2, 5))
def test_of_a_label_without_examples_the_prototypes_speak(
    data: st.DataObject, slope: float
) -> None:
    votes_know = np.array([True, False, True])
    votes = _rows(data, 3)
    votes[:, 1] = 0.0  # as it is where nothing could vote for it
    votes /= votes.sum(axis=1, keepdims=True)
    parts = {NEIGHBORS: votes, PROTOTYPES: _rows(data, 3), HEAD: _rows(data, 2)}
    decision = _decision(Blend.default(PARTS, 0.0), slope=slope)
    added = decision.contributions(parts, votes_know, votes_know)
    assert (added[NEIGHBORS][:, 1] == 0).all()
    assert (added[HEAD][:, 1] == 0).all()
    assert np.allclose(added[PROTOTYPES][:, 1], parts[PROTOTYPES][:, 1])
    assert np.allclose(sum(added.values()).sum(axis=1), 1)  # type: ignore[union-attr]


def test_a_part_without_a_share_has_no_say() -> None:
    said = {NEIGHBORS: np.array([[1.0, 0.0, 0.0]]), PROTOTYPES: np.array([[0.0, 1.0, 0.0]])}
    decision = _decision(Blend({NEIGHBORS: 1.0, ANY: 0.0}))
    added = decision.contributions(said, np.zeros(3, dtype=bool))
    assert decision.probabilities(added, NAMES).tolist() == [[1.0, 0.0, 0.0]]


def test_labels_that_do_not_exclude_each_other_get_no_floor() -> None:
    said = {NEIGHBORS: np.array([[0.9, 0.9, 0.0]])}
    decision = _decision(Blend({NEIGHBORS: 1.0, ANY: 0.0}), exclusive=False)
    added = decision.contributions(said, np.zeros(3, dtype=bool))
    assert decision.probabilities(added, NAMES).tolist() == [[0.9, 0.9, 0.0]]


def test_another_prior_follows_bayes() -> None:
    # Two labels at -1 and +1, nine to one among the examples, alike among the items to come.
    x = np.linspace(-3, 3, 13)
    density = np.column_stack([norm.pdf(x, -1), norm.pdf(x, 1)])
    skewed, even = density * [0.9, 0.1], density * [0.5, 0.5]
    said = {NEIGHBORS: skewed / skewed.sum(axis=1, keepdims=True)}
    tilt = {"a": 1 / 9, "b": 1.0}
    decision = replace(_decision(Blend({NEIGHBORS: 1.0, ANY: 0.0})), tilt=tilt)
    proba = decision.probabilities(decision.contributions(said, np.zeros(2, bool)), NAMES[:2])
    assert proba == pytest.approx(even / even.sum(axis=1, keepdims=True))


def test_a_label_without_closeness_is_as_close_as_usual() -> None:
    decision = replace(
        _decision(Blend({NEIGHBORS: 1.0, ANY: 0.0})), closeness={"a": 0.2, "b": 0.9, "z": 0.6}
    )
    similarity = np.full((3, 5), 0.7)
    features = decision.features(similarity, np.eye(3), NAMES)
    assert features[:, 3] == pytest.approx([0.5, -0.2, 0.1])  # 0.7 less 0.2, 0.9 and the median


def test_an_item_has_the_labels_above_their_thresholds() -> None:
    decision = replace(
        _decision(Blend({NEIGHBORS: 1.0, ANY: 0.0}), exclusive=False),
        thresholds={"a": 0.2, "b": 0.8},
    )
    proba = np.array([[0.2, 0.79, 0.5], [0.1, 0.8, 0.49]])
    # The label that came later takes the middle of the thresholds there are.
    assert decision.chosen(proba, NAMES).tolist() == [[True, False, True], [False, True, False]]
    blank = replace(decision, thresholds=None)
    assert blank.chosen(proba, NAMES).tolist() == [[False, True, True], [False, True, False]]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from classifiers.blend import ANY, HEAD, NEIGHBORS, PROTOTYPES, Blend, completed

PARTS = [NEIGHBORS, PROTOTYPES, HEAD]
SOME_PARTS = st.lists(st.sampled_from(PARTS), min_size=1, unique=True)
POSITIVE = st.floats(1e-3, 1)


def _rows(draw: st.DrawFn, n: int, n_labels: int) -> np.ndarray:
    raw = draw(arrays.arrays(np.float64, (n, n_labels), elements=POSITIVE))
    return raw / raw.sum(axis=1, keepdims=True)


@st.composite
def shares(draw: st.DrawFn) -> Blend:
    floor = draw(st.sampled_from([0.0, 0.01, 0.2]))
    raw = {part: draw(st.integers(0, 5)) for part in PARTS}
    total = sum(raw.values())
    if total == 0:
        return Blend.default(PARTS, floor)
    return Blend({**{part: (1 - floor) * one / total for part, one in raw.items()}, ANY: floor})


@given(SOME_PARTS.filter(lambda parts: parts != [HEAD]), st.floats(0, 0.5), st.booleans())
def test_default_shares_sum_to_one(parts: list[str], floor: float, has_examples: bool) -> None:
    blend = Blend.default(parts, floor, has_examples=has_examples)
    assert list(blend.shares) == [*parts, ANY]
    assert sum(blend.shares.values()) == pytest.approx(1)
    assert blend.shares[ANY] == floor


def test_descriptions_alone_are_for_the_prototypes() -> None:
    blend = Blend.default([NEIGHBORS, PROTOTYPES], 0.0, has_examples=False)
    assert blend.shares[PROTOTYPES] > blend.shares[NEIGHBORS]


@given(shares(), SOME_PARTS)
def test_a_part_that_is_gone_leaves_its_share_to_the_others(blend: Blend, parts: list[str]) -> None:
    rest = blend.among(parts).shares
    assert set(rest) == {*parts, ANY}
    assert sum(rest.values()) == pytest.approx(1)
    assert rest[ANY] == blend.shares[ANY]
    if any(blend.shares[part] for part in parts):
        for one in parts:
            for other in parts:
                mine, its = rest[one] * blend.shares[other], rest[other] * blend.shares[one]
                assert mine == pytest.approx(its)


def test_parts_that_are_equally_good_keep_the_default_shares() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    one = 0.1 + 0.7 * np.eye(3)[targets]
    parts = dict.fromkeys(PARTS, one)
    start = Blend.default(PARTS, 0.01)
    learned = start.improved(parts, targets)
    assert sum(learned.shares.values()) == pytest.approx(1)
    assert learned.shares[ANY] == 0.01
    # As near as steps of a tenth come.
    assert all(abs(learned.shares[part] - start.shares[part]) <= 0.1 for part in PARTS)


@pytest.mark.parametrize("good", PARTS)
@pytest.mark.parametrize("several", [False, True])
def test_the_part_that_is_right_gets_the_say(good: str, several: bool) -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, 300)
    has = np.eye(4)[targets]
    wrong = np.eye(4)[(targets + 1) % 4]
    parts = {part: has if part == good else wrong for part in PARTS}
    start = Blend.default(PARTS, 0.01)
    learned = start.improved(parts, has.astype(bool) if several else targets)
    assert learned.shares[good] > 0.49  # from here on no two others can outvote it
    assert learned.shares[good] == max(learned.shares.values())


@given(st.data(), shares())
def test_contributions_sum_to_the_mixture(data: st.DataObject, blend: Blend) -> None:
    parts = {part: _rows(data.draw, 3, 4) for part in PARTS}
    added = blend.contributions(parts, 1 / 4)
    assert set(added) == {*PARTS, ANY}
    assert np.allclose(sum(added.values()).sum(axis=1), 1)  # type: ignore[union-attr]
    for part in PARTS:
        assert np.allclose(added[part], blend.shares[part] * parts[part])


@given(st.data(), st.integers(1, 5))
def test_what_the_head_does_not_know_the_others_say(data: st.DataObject, n_labels: int) -> None:
    knows = data.draw(arrays.arrays(bool, n_labels))
    others = _rows(data.draw, 3, n_labels)
    head = _rows(data.draw, 3, int(knows.sum())) if knows.any() else np.empty((3, 0))
    full = completed(head, knows, others, exclusive=True)
    assert np.allclose(full[:, ~knows], others[:, ~knows])
    assert np.allclose(full.sum(axis=1), 1 if knows.any() else others.sum(axis=1))
    if knows.any():  # the head's own proportions stay
        known = full[:, knows] / full[:, knows].sum(axis=1, keepdims=True)
        assert np.allclose(known, head, atol=1e-6)
    several = completed(head, knows, others, exclusive=False)
    assert np.allclose(several[:, knows], head)
    assert np.allclose(several[:, ~knows], others[:, ~knows])

"""Trees that were forged are refused before LightGBM follows them out of its memory."""

from __future__ import annotations

import re

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.persistence.booster_text import read_booster

_INDICES = ("left_child", "right_child", "split_feature", "cat_boundaries", "num_leaves", "num_cat")


@pytest.fixture(scope="module")
def rows() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(size=(600, 3)), rng.integers(0, 40, 600)])


@pytest.fixture(scope="module")
def text(rows: npt.NDArray[np.float64]) -> str:
    target = rows[:, 0] + np.sin(rows[:, 3]) + (rows[:, 1] > 0)
    data = lgb.Dataset(rows, target, categorical_feature=[3])
    options = {"verbosity": -1, "num_leaves": 8, "min_data_in_leaf": 5, "num_threads": 1}
    told: str = lgb.train(options, data, num_boost_round=5).model_to_string()
    assert "cat_threshold" in told
    return told


def test_what_lightgbm_wrote_is_read_as_lightgbm_reads_it(
    text: str, rows: npt.NDArray[np.float64]
) -> None:
    read, own = read_booster(text), lgb.Booster(model_str=text)
    for kind in ({}, {"pred_leaf": True}, {"pred_contrib": True}):
        np.testing.assert_array_equal(read.predict(rows, **kind), own.predict(rows, **kind))
    assert read.model_to_string() == own.model_to_string()


def test_trees_of_one_leaf_are_read(rows: npt.NDArray[np.float64]) -> None:
    data = lgb.Dataset(rows, np.ones(len(rows)))
    grown = lgb.train({"verbosity": -1, "num_threads": 1}, data, num_boost_round=2)
    read = read_booster(grown.model_to_string())
    np.testing.assert_array_equal(read.predict(rows), grown.predict(rows))


@pytest.mark.parametrize(
    ("line", "forged"),
    [
        (r"left_child=\S+", "left_child=99999999"),
        (r"left_child=\S+", "left_child=0"),
        (r"right_child=\S+", "right_child=-99"),
        (r"right_child=\S+ ", "right_child="),
        (r"split_feature=\S+", "split_feature=88888888"),
        (r"split_feature=\S+", "split_feature=-1"),
        (r"leaf_value=\S+ ", "leaf_value="),
        (r"threshold=\S+", "threshold=nan"),
        (r"cat_boundaries=\S+", "cat_boundaries=77"),
        (r"cat_threshold=\S+ ", "cat_threshold="),
        (r"num_leaves=\S+", "num_leaves=99"),
        (r"num_cat=[1-9]\d*", "num_cat=0"),
        (r"max_feature_idx=\S+", "max_feature_idx=1"),
        (r"num_class=\S+", "num_class=3"),
        (r"is_linear=\S+", "is_linear=1"),
        (r"\nleft_child=", "\nleft_child=0\nleft_child="),
        (r"end of trees", "end"),
    ],
)
def test_a_forged_tree_is_refused(text: str, line: str, forged: str) -> None:
    changed = re.sub(line, forged, text, count=1)
    assert changed != text
    with pytest.raises((ValueError, KeyError)):
        read_booster(changed)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_index_is_changed_it_is_refused_or_answers(
    data: st.DataObject, text: str, rows: npt.NDArray[np.float64]
) -> None:
    name = data.draw(st.sampled_from(_INDICES))
    spots = [spot for one in re.finditer(rf"^{name}=(.*)$", text, re.M) for spot in _words(one)]
    start, end = data.draw(st.sampled_from(spots))
    number = data.draw(st.integers(-40, 40) | st.integers(-(2**31), 2**31 - 1))
    changed = f"{text[:start]}{number}{text[end:]}"
    try:
        read = read_booster(changed)
    except (ValueError, lgb.basic.LightGBMError):
        return
    assert len(np.asarray(read.predict(rows[:20]))) == 20  # and the process is still there


def _words(line: re.Match[str]) -> list[tuple[int, int]]:
    return [
        (line.start(1) + word.start(), line.start(1) + word.end())
        for word in re.finditer(r"\S+", line[1])
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_lines_where_none_are_expected_are_refused_or_answered(
    text: str, rows: npt.NDArray[np.float64], data: st.DataObject
) -> None:
    """A line in another place once ended the process: LightGBM counts lines."""
    lines = text.split("\n")
    here, there = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    if data.draw(st.booleans()):
        lines.insert(there, lines[here])
    else:
        lines[here], lines[there] = lines[there], lines[here]
    try:
        read = read_booster("\n".join(lines))
    except (ValueError, lgb.basic.LightGBMError):
        return
    assert np.isfinite(read.predict(rows[:5])).all()

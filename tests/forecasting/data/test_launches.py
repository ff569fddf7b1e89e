import numpy as np
import pandas as pd
import pytest

from forecasting.data.launches import Launches


def launches(n: int = 3, **more: np.ndarray) -> Launches:
    return Launches(
        ids=np.array([f"item {row}" for row in range(n)], object),
        vectors=np.arange(2.0 * n, dtype=np.float32).reshape(n, 2),
        period=np.arange(n) + 5,
        standing=np.arange(n),
        attributes=pd.DataFrame({"price": np.arange(n) * 1.5}),
        **more,
    )


@pytest.mark.parametrize("n", [0, 1, 3])
def test_what_is_not_told_holds_for_all_rows(n: int) -> None:
    rows = launches(n)
    assert len(rows) == n
    assert rows.first_share.tolist() == [1.0] * n
    assert rows.product.tolist() == [None] * n
    assert rows.plan.shape == (n, 1, 0)


def test_what_holds_for_all_rows_may_be_given_once() -> None:
    plan = np.arange(8.0).reshape(1, 4, 2)
    rows = launches(first_share=np.array(0.5), product=np.array("tea", object), plan=plan)
    assert rows.first_share.tolist() == [0.5] * 3
    assert rows.product.tolist() == ["tea"] * 3
    np.testing.assert_array_equal(rows.plan, np.tile(plan, (3, 1, 1)))


@pytest.mark.parametrize("name", ["first_share", "product", "plan"])
def test_what_is_told_of_another_number_of_rows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="broadcast"):
        launches(3, **{name: np.ones((2, 4, 1)) if name == "plan" else np.ones(2)})


@pytest.mark.parametrize("chosen", [slice(1, 3), slice(0, 0), np.array([2, 0, 2])])
def test_some_rows_keep_all_that_is_told_of_them(chosen: slice | np.ndarray) -> None:
    rows = launches(
        first_share=np.array([0.1, 0.2, 0.3]),
        product=np.array(["a", "b", "c"], object),
        plan=np.arange(12.0).reshape(3, 2, 2),
    )
    some = rows[chosen]
    for name in ("ids", "vectors", "period", "standing", "first_share", "product", "plan"):
        np.testing.assert_array_equal(getattr(some, name), getattr(rows, name)[chosen])
    assert some.attributes.index.tolist() == list(range(len(some)))
    assert some.attributes["price"].tolist() == (np.arange(3) * 1.5)[chosen].tolist()

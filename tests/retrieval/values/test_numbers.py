"""Numbers as words: what marks can only mean is read, what may be two numbers is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from retrieval import NumberFormat, read_numbers
from retrieval.values.numbers import AMBIGUOUS, FOREIGN, NOT_A_NUMBER

MAY_BE_TWO = AMBIGUOUS.partition("(")[0]


def column(*cells: str | None) -> pd.Series:
    return pd.Series(list(cells), dtype="str")


@pytest.mark.parametrize(
    ("cells", "values", "told"),
    [
        (["3.99", "4", "1e3", "-2.5"], [3.99, 4, 1000, -2.5], ""),
        (["3,99", "4,50", "12"], [3.99, 4.5, 12], "decimal comma"),
        (["$3.99", "-$4.50", "$-5", "6"], [3.99, -4.5, -5, 6], "unit $"),
        (["3,99 €", "€4"], [3.99, 4], "decimal comma, unit €"),
        (["3.99 EUR", "4.00\u00a0EUR"], [3.99, 4], "unit EUR"),
        (["1.299,00", "1.234"], [1299, 1234], "decimal comma, '.' between thousands"),
        (["1,299.00", "1,234"], [1299, 1234], "',' between thousands"),
        (["1,234,567", "12"], [1234567, 12], "',' between thousands"),
        (["1'299.50", "1\u2019000"], [1299.5, 1000], '"\'" between thousands'),
        (["1 299,50", "12\u202f000"], [1299.5, 12000], "decimal comma, ' ' between thousands"),
        (["0,125", "1"], [0.125, 1], "decimal comma"),
        (["500 ml", "250ml"], [500, 250], "unit ml"),
    ],
)
def test_what_is_unambiguous_is_read_and_told(
    cells: list[str], values: list[float], told: str
) -> None:
    read = read_numbers(column(*cells, None))
    assert read.values.tolist()[:-1] == values
    assert np.isnan(read.values[-1])
    assert not read.problems.any()
    assert read.recognized == told


@pytest.mark.parametrize("cell", ["1,234", "12,500"])
def test_what_may_be_two_numbers_is_refused_until_it_is_declared(cell: str) -> None:
    read = read_numbers(column(cell, "5"))
    assert str(read.problems[0]).startswith(MAY_BE_TWO)
    assert read.are_meant(2, untyped=False)
    digits = cell.replace(",", "")
    declared = read_numbers(column(cell, "5"), NumberFormat(thousands=","))
    assert declared.values.tolist() == [float(digits), 5]
    declared = read_numbers(column(cell, "5"), NumberFormat(decimal=","))
    assert declared.values.tolist() == [float(cell.replace(",", ".")), 5]


def test_a_point_in_a_column_of_decimal_commas_is_never_one_and_a_bit() -> None:
    read = read_numbers(column("3,99", "1.234"))
    assert np.isnan(read.values[1])
    assert str(read.problems[1]).startswith(MAY_BE_TWO)


def test_what_is_not_like_the_rest_is_bad() -> None:
    read = read_numbers(column("3.99", "n/a", "4.50", "3,99", "nan", "inf", "1.2.3"))
    assert np.isfinite(read.values).tolist() == [True, False, True, *[False] * 4]
    assert set(read.problems[~np.isfinite(read.values)]) == {NOT_A_NUMBER}
    read = read_numbers(column("$3.99", "$4.50", "€5.00"))
    assert read.problems.tolist() == [None, None, FOREIGN]


@pytest.mark.parametrize(
    ("cells", "typed", "untyped"),
    [
        (["3.99", "4.50"], True, True),
        (["$3.99"] * 6 + ["on request"] * 4, True, True),
        (["399"] * 19 + ["n/a"], False, True),
        (["3.99"] + ["4"] * 18 + ["n/a"], True, True),
        (["38", "40", "42"], False, True),
        (["38", "M", "40/42"], False, False),
        (["38"] * 8 + ["M"] * 2, False, False),
        (["00501", "12345"], False, False),
        (["12345678901234567890", "5"], False, False),
        (["2XL", "3XL"], False, False),
        (["M8", "M10"], False, False),
        (["12 oz", "1 lb", "12 oz"], False, False),
        (["500 ml", "3"], False, False),
        (["12 500", "13 000"], False, False),
        (["1.2.3", "1.2.4"], False, False),
        (["2024-01-01"], False, False),
        ([None], False, False),
        ([], False, False),
    ],
)
def test_codes_stay_codes(cells: list[str | None], typed: bool, untyped: bool) -> None:
    read = read_numbers(column(*cells))
    known = sum(cell is not None for cell in cells)
    assert read.are_meant(known, untyped=False) is typed
    assert read.are_meant(known, untyped=True) is untyped


@given(
    st.lists(st.floats(-1e12, 1e12).map(lambda one: round(one, 2)), min_size=1),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", None)]),
    st.sampled_from(["", "€", "pcs"]),
)
def test_what_is_declared_is_read_back(
    numbers: list[float], marks: tuple[str, str | None], unit: str
) -> None:
    decimal, thousands = marks
    swap = str.maketrans({".": decimal, ",": thousands or ""})
    cells = column(*(f"{one:,.2f} {unit}".strip().translate(swap) for one in numbers))
    how = NumberFormat(decimal=decimal, thousands=thousands, units=("pcs",))  # type: ignore[arg-type]
    read = read_numbers(cells, how)
    assert not read.problems.any()
    np.testing.assert_allclose(read.values, numbers)

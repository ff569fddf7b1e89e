from __future__ import annotations

from hypothesis import given, strategies as st

from forecasting.blocks import by_block


@given(rows=st.integers(1, 200), size=st.integers(-1, 50))
def test_every_row_is_worked_on_once_and_in_order(rows: int, size: int) -> None:
    parts = by_block(rows, size, lambda block: list(range(rows))[block])
    assert [row for part in parts for row in part] == list(range(rows))
    assert all(len(part) <= max(size, 1) for part in parts)


def test_no_row_is_one_empty_block() -> None:
    assert by_block(0, 10, lambda block: list(range(5))[block][:0]) == [[]]

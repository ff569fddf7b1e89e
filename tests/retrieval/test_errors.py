import numpy as np
import pytest

from retrieval import InputError, first_few
from retrieval.errors import require_count, require_number


def test_the_first_few_are_said_and_the_others_counted() -> None:
    assert first_few([1, 2, 3, 4, 5]) == ["1", "2", "3", "4", "5"]
    assert first_few(["a", "b", "c"], repr, most=1) == ["'a'", "... and 2 more"]


@pytest.mark.parametrize("value", [1, np.int64(3), 10**30])
def test_counts_are_whole_numbers(value: int) -> None:
    assert require_count(value, "k") == value


@pytest.mark.parametrize("value", [0, -1, 2.0, True, np.True_, "3", None, float("nan"), [1], 1j])
def test_what_counts_nothing_is_told(value: object) -> None:
    with pytest.raises(InputError, match=r"^k must be an integer of at least 1, got "):
        require_count(value, "k")


def test_a_range_of_counts_is_named() -> None:
    with pytest.raises(InputError, match="k must be between 1 and 5, got 6"):
        require_count(6, "k", most=5)
    assert require_count(0, "k", least=0) == 0


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), 1e-9])
def test_numbers_within_are_returned(value: float) -> None:
    assert require_number(value, "rate", 0, below=1) == value


@pytest.mark.parametrize("value", [0, 1, -1, True, "0.5", None, float("nan"), [0.5], 1j])
def test_what_is_no_number_within_is_told(value: object) -> None:
    with pytest.raises(InputError, match=r"^rate must be in \(0, 1\), got "):
        require_number(value, "rate", 0, below=1)


def test_the_ends_of_a_range_are_named() -> None:
    assert require_number(1, "rate", 0, below=1, closed=True) == 1
    with pytest.raises(InputError, match=r"rate must be in \(0, 1\], got 1.5"):
        require_number(1.5, "rate", 0, below=1, closed=True)
    with pytest.raises(InputError, match="slope must be above 0, got 'a'"):
        require_number("a", "slope", 0)

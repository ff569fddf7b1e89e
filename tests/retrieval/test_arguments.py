import numpy as np
import pytest
from hypothesis import given, strategies as st

from retrieval import InputError
from retrieval.arguments import (
    has_half_character,
    require_characters,
    require_count,
    require_number,
)


@given(st.text())
def test_half_a_character_is_what_utf_8_cannot_write(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert has_half_character(text)
        with pytest.raises(InputError, match="row 3 holds half a character"):
            require_characters(text, "row 3")
    else:
        assert not has_half_character(text)
        require_characters(text, "row 3")


def test_half_an_emoji_is_half_a_character() -> None:
    assert has_half_character("\ud83d smile")
    assert not has_half_character("\U0001f600 smile")


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

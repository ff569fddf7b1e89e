import pytest
from hypothesis import given, strategies as st

from retrieval import InputError
from retrieval.characters import has_half_character, require_characters


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

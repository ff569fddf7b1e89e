from __future__ import annotations

import pytest

from retrieval import InputError, detect_languages

pytest.importorskip("py3langid")

TEXTS = {
    "en": ["The card has not arrived yet, where is it?", "A cordless drill with two batteries."],
    "de": ["Die Karte ist noch nicht angekommen.", "Ein Akkuschrauber mit zwei Akkus."],
    "es": ["La tarjeta todavía no ha llegado.", "Un taladro inalámbrico con dos baterías."],
    "zh": ["银行卡还没有送到客户的手里", "带两块电池的无绳电钻。"],
}


def test_languages_are_told() -> None:
    texts = [text for some in TEXTS.values() for text in some]
    assert detect_languages(texts) == [code for code, some in TEXTS.items() for _ in some]


def test_short_texts_are_judged_among_the_languages_of_the_others() -> None:
    german = ["Die Karte ist noch nicht angekommen.", "Wo ist mein Paket, bitte?"] * 10
    assert set(detect_languages([*german, "Milch", "Brot"])) == {"de"}


@pytest.mark.parametrize("text", ["", "  ", "12345", "😀😀😀", "A-7", "?!"])
def test_what_has_no_words_has_no_language(text: str) -> None:
    assert detect_languages([text, TEXTS["en"][0]]) == ["und", "en"]


def test_a_mixed_text_is_of_one_of_its_languages() -> None:
    (found,) = detect_languages(["Der Akkuschrauber, 带两块电池的无绳电钻"])
    assert found in {"de", "zh", "und"}


def test_a_language_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(InputError, match="no language 'klingon' can be told; there are: "):
        detect_languages(["some text"], among=["en", "klingon"])

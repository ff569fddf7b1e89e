"""What the API takes for dates, labels and values of attributes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from serving.schemas.items import Day, KnownItem, Where

DAY: TypeAdapter[date] = TypeAdapter(Day)


@pytest.mark.parametrize(
    "value", ["2024-03-01", "20240301", "2024-03-01T23:30:00+09:00", date(2024, 3, 1)]
)
def test_dates_are_iso(value: Any) -> None:
    assert DAY.validate_python(value) == date(2024, 3, 1)


@pytest.mark.parametrize(
    "value", ["03/01/2024", "1.3.2024", "1709251200", "2024-03", "", 20240301, None, "2386-11-15"]
)
def test_what_is_no_iso_date_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="a date"):
        DAY.validate_python(value)


def test_whole_numbers_keep_all_their_digits() -> None:
    big = 9007199254740993
    where: Any = TypeAdapter(Where).validate_json(f'{{"code": {big}, "codes": [{big}], "p": 1.5}}')
    assert where == {"code": big, "codes": [big], "p": 1.5}
    item = KnownItem(item_id="a", text="tea", attributes={"code": big, "organic": True})
    assert item.attributes == {"code": big, "organic": True}


def test_an_item_of_the_api_has_one_label() -> None:
    assert KnownItem(item_id="a", text="tea", label="[sic] tea").label == "[sic] tea"
    with pytest.raises(ValidationError, match="a list of labels, where an item has one"):
        KnownItem(item_id="a", text="tea", label='["tea"]')

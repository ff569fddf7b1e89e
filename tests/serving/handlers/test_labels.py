"""Which labels a few letters mean."""

import pytest

from serving.handlers.labels import matching_labels

_NAMES = ["BAG SNACKS", "CANDY - PACKAGED", "FROZEN PIZZA", "SNACK NUTS", "PIZZA/FROZEN SIDES"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("snack", ["SNACK NUTS", "BAG SNACKS"]),
        (" Frozen  pi", ["FROZEN PIZZA"]),
        ("froz", ["FROZEN PIZZA", "PIZZA/FROZEN SIDES"]),
        ("andy", ["CANDY - PACKAGED"]),
        ("bag snaks", ["BAG SNACKS"]),
        ("xyzzy", []),
        ("", _NAMES),
    ],
)
def test_the_likeliest_come_first(search: str, expected: list[str]) -> None:
    assert matching_labels(_NAMES, search) == expected
    assert matching_labels(_NAMES, search, 1) == expected[:1]

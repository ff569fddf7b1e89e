import pytest
from hypothesis import given, strategies as st

from retrieval import Between, InputError
from retrieval.filters import parse_conditions

KINDS = {"price": "number", "brand": "string"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("brand=Private", {"brand": "Private"}),
        ("brand=a,b", {"brand": ["a", "b"]}),
        ('brand="a,b",c', {"brand": ["a,b", "c"]}),
        ("brand=1..3", {"brand": "1..3"}),
        ("brand=a=b", {"brand": "a=b"}),
        ("price=3", {"price": 3.0}),
        ("price=3,4.5", {"price": [3.0, 4.5]}),
        ("price=1..3", {"price": Between(1, 3)}),
        ("price=-1.5..2e3", {"price": Between(-1.5, 2000)}),
        ("price=1..", {"price": Between(1, None)}),
        ("price=..3", {"price": Between(None, 3)}),
    ],
)
def test_a_condition_is_read_by_what_its_column_holds(
    condition: str, expected: dict[str, object]
) -> None:
    assert parse_conditions([condition], KINDS) == expected


def test_conditions_add_up() -> None:
    assert parse_conditions(["brand=a", "price=1"], KINDS) == {"brand": "a", "price": 1.0}


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        (["brand"], "write col=value"),
        (["brand="], "write col=value"),
        (["size=3"], "no attribute 'size' (there are: price, brand)"),
        (["price=cheap"], "'cheap' is not a number, list or range"),
        (["price=.."], "'..' is not a number, list or range"),
        (["price=1", "price=2"], "'price' has a condition already"),
    ],
)
def test_a_wrong_condition_is_refused(conditions: list[str], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_conditions(conditions, KINDS)
    assert problem in str(caught.value)


@given(low=st.floats(-1e9, 1e9), high=st.floats(-1e9, 1e9))
def test_every_range_of_numbers_is_understood(low: float, high: float) -> None:
    assert parse_conditions([f"price={low}..{high}"], KINDS) == {"price": Between(low, high)}

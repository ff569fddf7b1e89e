from __future__ import annotations

import pandas as pd
import pytest

from retrieval import InputError
from retrieval.graph.relations import Relation, check_ends, made_relation


def test_a_relation_holds_from_its_first_day_to_its_last() -> None:
    one = made_relation("a", "Variant of", "b", "2024-03-01", "2024-05-31")
    assert one.relation == "variant_of"
    days = ["2024-02-29", "2024-03-01", "2024-05-31", "2024-06-01"]
    assert [one.holds(pd.Timestamp(day)) for day in days] == [False, True, True, False]
    assert not one.holds(None)
    assert Relation.of_record(one.record()) == one


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (("a", "replaces", "a"), "'a' replaces itself"),
        (("a", "", "b"), "without a relation"),
        (("a", "replaces", "b", "soon"), "from"),
        (("a", "replaces", "b", "2024-02-01", "2024-01-01"), "is before"),
    ],
)
def test_what_cannot_be_a_relation_is_refused_with_its_row(
    told: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        made_relation(*told, place="r.csv: row 3") if len(told) == 5 else made_relation(
            *told, *[None] * (5 - len(told)), "r.csv: row 3"
        )
    assert str(caught.value).startswith("r.csv: row 3")


def test_unknown_ends_are_named() -> None:
    with pytest.raises(InputError, match=r"r\.csv: row 1: target 'b' is neither"):
        check_ends([made_relation("a", "replaces", "b", place="r.csv: row 1")], {"a"})

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines import app
from pipelines.answers.catalog import Catalog
from pipelines.recommendations.diversity import choose_diverse
from pipelines.recommendations.histories import Histories
from pipelines.recommendations.kernel import Asked, Contents
from pipelines.recommendations.recommender import Recommender
from pipelines.recommendations.tastes import find_tastes
from retrieval import Between, Encoder, InputError, ItemIndex

KINDS = {"tea": "herbal tea bags", "shampoo": "hair shampoo", "dogfood": "dry dog food"}
SIZES = ["small box", "family pack", "organic", "value size"]
ITEMS = pd.DataFrame(
    [
        {
            "item_id": f"{kind}{at}",
            "name": f"{words} {size}",
            "kind": kind,
            "launched": "2024-06-03" if at == 3 else None,
            "price": float(1 + at),
        }
        for kind, words in KINDS.items()
        for at, size in enumerate(SIZES)
    ]
)
COLUMNS = {"text": "name", "label": "kind", "launch_date": "launched", "attributes": ["price"]}


def purchases() -> pd.DataFrame:
    """Six customers, two for each kind, who buy the three old items of it, and some of another."""
    rows = []
    for number in range(6):
        kind = list(KINDS)[number % 3]
        bought = [f"{kind}0", f"{kind}1", f"{kind}2"] if number < 3 else [f"{kind}0", f"{kind}1"]
        rows += [(f"c{number}", one, f"2024-0{1 + at}-10") for at, one in enumerate(bought)]
    return pd.DataFrame(rows, columns=["customer_id", "item_id", "ds"])


@pytest.fixture(scope="module")
def catalog(encoder: Encoder) -> Catalog:
    index = ItemIndex(":memory:", encoder=encoder)
    index.upsert(ITEMS, **COLUMNS)
    return Catalog.read(index)


def made(catalog: Catalog, table: pd.DataFrame) -> Recommender:
    return Recommender(catalog, Histories.of(table, catalog.items["item_id"].tolist()))


@pytest.fixture(scope="module")
def recommender(catalog: Catalog) -> Recommender:
    return made(catalog, purchases())


def ids(found: list[object]) -> list[str]:
    return [one.id for one in found]  # type: ignore[attr-defined]


def test_like_items_differ_more_where_diversity_is_asked_for(recommender: Recommender) -> None:
    near = ids(recommender.like("tea0", 3, diversity=0))
    assert {one[:3] for one in near} == {"tea"}
    assert "tea0" not in near
    wide = ids(recommender.like("tea0", 3, diversity=0.9))
    assert wide[0] == near[0] and len({one[:-1] for one in wide}) > 1


def test_a_customer_gets_what_the_like_minded_bought(recommender: Recommender) -> None:
    first = recommender.for_person("c3", 3)[0]
    assert first.id == "tea2"
    assert {reason.item_id for reason in first.because} == {"tea0", "tea1"}
    assert sum(reason.share for reason in first.because) == pytest.approx(1.0, abs=1e-5)
    assert "tea0" in ids(recommender.for_person("c3", 3, again=True))


def test_rules_hold(recommender: Recommender) -> None:
    band = recommender.for_person("c0", 10, where={"price": Between(2, 2)}, again=True)
    assert {one[-1] for one in ids(band)} == {"1"}
    assert "tea2" not in ids(recommender.for_person("c3", 10, exclude=["tea2"]))
    assert not {"tea0", "tea1", "tea2"} & set(ids(recommender.for_person("c0", 20)))


def test_launches_go_to_those_who_buy_their_kind(recommender: Recommender) -> None:
    buyers = recommender.for_item("shampoo3", 2, as_of="2024-05-31")
    assert set(ids(buyers)) == {"c1", "c4"}
    assert buyers[0].because[0].item_id.startswith("shampoo")
    news = recommender.for_person("c2", 3, kind="new", as_of="2024-05-31")
    assert news[0].id == "dogfood3" and {one[-1] for one in ids(news)} == {"3"}


def test_known_items_find_people_who_have_not_bought_them(recommender: Recommender) -> None:
    assert ids(recommender.for_item("tea2", 1)) == ["c3"]
    assert "c0" in ids(recommender.for_item("tea2", 6, again=True))


def test_what_comes_later_changes_nothing(catalog: Catalog) -> None:
    table = purchases()
    later = table["ds"] > "2024-02-20"
    noise = table.assign(item_id=table["item_id"].where(~later, "shampoo1"))
    one, other = made(catalog, table), made(catalog, noise)
    for person in ("c0", "c3", "c5"):
        for kind in ("known", "new"):
            mine, theirs = (
                some.for_person(person, 5, kind=kind, as_of="2024-02-20")  # type: ignore[arg-type]
                for some in (one, other)
            )
            assert mine == theirs
        assert one.tastes(person, as_of="2024-02-20") == other.tastes(person, as_of="2024-02-20")
    launch = [some.for_item("tea3", 3, as_of="2024-02-20") for some in (one, other)]
    assert launch[0] == launch[1]


def test_tastes_keep_apart_what_is_unlike(catalog: Catalog) -> None:
    table = pd.concat(
        [purchases(), purchases().query("customer_id == 'c1'").assign(customer_id="c0")]
    )
    tastes = made(catalog, table).tastes("c0")
    assert len(tastes) == 2 and sum(share for share, _ in tastes) == pytest.approx(1, abs=1e-5)
    assert all(len({one[:3] for one in items}) == 1 for _, items in tastes)


def test_tastes_of_equal_items_are_one() -> None:
    found = find_tastes(np.eye(1, 4, dtype=np.float32).repeat(9, axis=0), np.ones(9))
    assert found.shares.tolist() == [1.0] and (found.member == 0).all()


def test_diversity_chooses_what_is_unlike() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    relevance = np.array([1.0, 0.9, 0.5])
    assert choose_diverse(relevance, vectors, 2, 0.0) == [0, 1]
    assert choose_diverse(relevance, vectors, 2, 0.5) == [0, 2]
    assert choose_diverse(relevance[:0], vectors[:0], 2, 0.5) == []


def test_likeness_is_a_sum_of_votes() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    contents = Contents.of(vectors)
    assert len(contents.vectors) == 2
    histories = Histories.of(
        pd.DataFrame({"customer_id": ["a", "a"], "item_id": ["x", "z"], "ds": "2024-01-01"}),
        ["x", "y", "z"],
    )
    weights = contents.pooled(histories.bought())
    votes = Asked.of(contents, np.arange(3), weights).likeness(weights, temperature=0.5)
    assert votes[0] == pytest.approx([2, 2 * np.exp(-2), 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: made.like("zz"), "no item 'zz'"),
        (lambda made: made.for_item("zz"), "no item 'zz'"),
        (lambda made: made.for_person("zz"), "nothing is known to be bought by 'zz'"),
        (lambda made: made.for_person("c0", as_of="2023-01-01"), "bought nothing by then"),
        (lambda made: made.for_item("tea3", as_of="2023-01-01"), "nobody has bought anything"),
        (lambda made: made.for_person("c0", 0), "between 1 and 1,000"),
        (lambda made: made.like("tea0", diversity=2), "between 0 and 1"),
        (lambda made: made.like("tea0", where={"color": "red"}), "unknown attribute"),
        (lambda made: made.for_person("c0", as_of="soon"), "as_of"),
    ],
)
def test_what_cannot_be_asked_is_refused_clearly(
    recommender: Recommender, call: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(recommender)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ds": "soon"}, "row 1: 'ds' is no date"),
        ({"customer_id": None}, "row 1: a person"),
        ({"n": 0.0}, "row 1: 'n' must be above 0"),
    ],
)
def test_bad_purchases_are_named(change: dict[str, object], message: str) -> None:
    table = purchases().assign(**{"n": 1.0, **change})
    with pytest.raises(InputError, match=message):
        Histories.of(table, ["tea0"], quantity="n")


def test_without_purchases_only_like_items_can_be_asked_for(catalog: Catalog) -> None:
    alone = Recommender(catalog)
    assert alone.like("tea0", 1)
    with pytest.raises(InputError, match="no purchases"):
        alone.for_person("c0")


def test_the_verb_recommends_and_writes(tmp_path: Path, encoder: Encoder) -> None:
    uri = str(tmp_path / "items.db")
    with ItemIndex(uri, encoder=encoder) as index:
        index.upsert(ITEMS, **COLUMNS)
    purchases().to_csv(tmp_path / "h.csv", index=False)
    out = tmp_path / "r.csv"
    call = ["recommend", "--customer", "c3", "--histories", str(tmp_path / "h.csv"), "--uri", uri]
    result = CliRunner().invoke(app, [*call, "-k", "2", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert pd.read_csv(out)["id"].iat[0] == "tea2" and "tea2" in result.output
    none = CliRunner().invoke(app, ["recommend", "--uri", uri])
    assert none.exit_code == 2 and "give one of" in none.output

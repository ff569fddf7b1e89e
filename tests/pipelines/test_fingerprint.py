from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from pipelines import fingerprint as module
from pipelines.config.settings import load_settings
from pipelines.demo.complete_journey import CompleteJourney
from pipelines.demo.demo import demo_settings
from pipelines.fingerprint import ENGINES, engine_versions, fingerprint
from retrieval import Encoder

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def items(journey_slice: CompleteJourney) -> pd.DataFrame:
    return journey_slice.items.head(50)


@pytest.fixture
def mark(encoder: Encoder, items: pd.DataFrame) -> str:
    return fingerprint(demo_settings(Path("here")), encoder.identity, items)


def test_the_same_again_has_the_same_fingerprint(
    encoder: Encoder, items: pd.DataFrame, mark: str
) -> None:
    copy = items.copy().set_index(items.index + 7)
    assert fingerprint(demo_settings(Path("here")), encoder.identity, copy) == mark


def test_where_the_tables_lie_and_secrets_do_not_matter(
    encoder: Encoder, items: pd.DataFrame, mark: str
) -> None:
    elsewhere = demo_settings(Path("there"), cache=False)
    with_token = elsewhere.index.model_copy(update={"token": "secret"})
    elsewhere = elsewhere.model_copy(update={"index": with_token})
    assert fingerprint(elsewhere, encoder.identity, items) == mark


def _set(column: str, value: object) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        table.loc[table.index[17], column] = value
        return table

    return change


CHANGES: dict[str, Change] = {
    "a word": _set("product_type", "of its own"),
    "a missing word": _set("brand", None),
    "a date": _set("launch_date", pd.Timestamp("2017-05-01")),
    "a number": _set("catalog_number", 5),
    "the order of rows": lambda table: table.iloc[::-1],
    "a row less": lambda table: table.iloc[:-1],
    "the name of a column": lambda table: table.rename(columns={"brand": "maker"}),
    "two columns swapped": lambda table: table.rename(
        columns={"brand": "package_size", "package_size": "brand"}
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_table_has_another_fingerprint(
    what: str, encoder: Encoder, items: pd.DataFrame, mark: str
) -> None:
    changed = CHANGES[what](items)
    assert fingerprint(demo_settings(Path("here")), encoder.identity, changed) != mark


@given(row=st.integers(0, 49), units=st.floats(0, 1e6))
def test_any_number_changed_is_seen(encoder: Encoder, row: int, units: float) -> None:
    identity, settings = encoder.identity, demo_settings(Path("here"))
    sales = pd.DataFrame({"y": [float(place) for place in range(50)]})
    changed = sales.copy()
    changed.loc[row, "y"] = units
    same = units == float(row)
    assert (
        fingerprint(settings, identity, changed) == fingerprint(settings, identity, sales)
    ) is same


@pytest.mark.parametrize(
    "flags",
    [{"classify": {"k": 7}}, {"classify": {"temperature": 0.2}}, {"forecast": {"horizon": 3}}],
)
def test_other_settings_have_another_fingerprint(
    flags: dict[str, dict[str, object]], encoder: Encoder, items: pd.DataFrame
) -> None:
    one, other = load_settings(), load_settings(flags=flags)
    assert fingerprint(one, encoder.identity, items) != fingerprint(other, encoder.identity, items)


def test_another_encoder_has_another_fingerprint(
    encoder: Encoder, items: pd.DataFrame, mark: str
) -> None:
    other = replace(encoder.identity, revision="another")
    assert fingerprint(demo_settings(Path("here")), other, items) != mark


def test_another_release_of_an_engine_has_another_fingerprint(
    encoder: Encoder, items: pd.DataFrame, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = engine_versions()
    assert list(installed) == list(ENGINES)
    monkeypatch.setattr(module, "engine_versions", lambda: installed | {"lightgbm": "0.1"})
    assert fingerprint(demo_settings(Path("here")), encoder.identity, items) != mark


@pytest.mark.parametrize("name", ["__init__.py", "deep/votes.py", "templates/page.html.j2"])
def test_a_changed_line_of_our_own_is_seen(
    name: str,
    encoder: Encoder,
    items: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / f"ours_{Path(name).stem.strip('_').replace('.', '_')}"
    for file in ("__init__.py", name):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text("# one\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_OURS", (package.name,))
    before = fingerprint(demo_settings(Path("here")), encoder.identity, items)
    (package / "notes.txt").write_text("not code")
    assert fingerprint(demo_settings(Path("here")), encoder.identity, items) == before
    (package / name).write_text("# two\n")
    assert fingerprint(demo_settings(Path("here")), encoder.identity, items) != before

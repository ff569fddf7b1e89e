"""Bad rows are left out and kept in a file, whole; the rest of the job goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from pipelines.components import open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.jobs.evaluation import evaluate_job
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import classify_job
from pipelines.tables.sql import SqlQuery
from retrieval import InputError, TableError
from retrieval.errors import Offense
from serving.command_line import app
from tests.milvus_places import Places
from tests.pipelines.conftest import CUTOFF, Shop

JOB = """\
items:
  id: id
  text: [name, brand]
  label: kind
  launch_date: launch
  attributes: [price]
"""
N = 20
SHARED = "is there more than once"


@pytest.fixture
def items() -> pd.DataFrame:
    """20 items in order, as text; and a column that no job reads."""
    kinds = ["chips", "candy"]
    return pd.DataFrame(
        {
            "shelf": [f"{row:03d}" for row in range(N)],
            "id": [f"i{row}" for row in range(N)],
            "name": [f"{kinds[row % 2]} {row % 7}" for row in range(N)],
            "brand": ["Own"] * N,
            "kind": [kinds[row % 2] for row in range(N)],
            "launch": ["2017-05-01"] * N,
            "price": ["1.5"] * N,
        }
    )


def spoil(items: pd.DataFrame) -> pd.DataFrame:
    """Rows 3, 6 (with 8), 10, 11, 13 and 16 made bad, each in another way and at another stage."""
    bad = items.copy()
    bad.loc[2, "launch"] = "31.12.2017"  # cannot be read
    bad.loc[12, "id"] = "i2"  # one id for two rows; the other one cannot be read
    bad.loc[7, "id"] = "i5"  # one id for two rows
    bad.loc[9, ["name", "brand"]] = None
    bad.loc[10, "id"] = None
    bad.loc[15, "kind"] = "x" * 5_000  # too long for Milvus
    return bad


SPOILED = [
    (3, "launch", "is not a date (write YYYY-MM-DD)"),
    (6, "id", SHARED),
    (8, "id", SHARED),
    (10, "name, brand", "holds no text"),
    (11, "id", "is missing"),
    (13, "id", SHARED),
    (16, "kind", "is longer than 4096 bytes"),
]


@pytest.fixture
def folder(tmp_path: Path, items: pd.DataFrame, milvus: Places) -> Path:
    (tmp_path / "job.yaml").write_text(JOB + milvus().yaml())
    spoil(items).to_csv(tmp_path / "items.csv", index=False)
    return tmp_path


def run(folder: Path, verb: str, *arguments: object) -> Result:
    config = ["--config", str(folder / "job.yaml")]
    return CliRunner().invoke(app, [verb, *config, *map(str, arguments)])


def settings_in(folder: Path, **sections: dict[str, Any]) -> Settings:
    return load_settings(folder / "job.yaml", sections)


def told(table: pd.DataFrame) -> list[tuple[int, str, str]]:
    return list(table[["row", "column", "problem"]].itertuples(index=False, name=None))


# --- index -------------------------------------------------------------------------------------


def test_bad_rows_are_kept_whole_and_the_others_indexed(folder: Path, items: pd.DataFrame) -> None:
    out = folder / "out" / "counts.json"
    flags = ["--on-bad-rows", "quarantine", "--out", out]
    result = run(folder, "index", folder / "items.csv", *flags)
    assert result.exit_code == 0, result.stderr
    file = folder / "out" / "quarantine" / "index" / "items.csv"
    assert f"7 bad rows of items left out, see {file}" in result.stdout
    assert json.loads(out.read_text())["quarantined"] == 7
    assert '"rows": 7' in result.stderr
    kept = pd.read_csv(file, dtype={"shelf": "str", "price": "str"})
    assert told(kept) == SPOILED
    whole = pd.read_csv(folder / "items.csv", dtype="str").iloc[kept["row"] - 1]
    pd.testing.assert_frame_equal(
        kept[whole.columns].astype("str"), whole.reset_index(drop=True).astype("str")
    )
    with open_index(settings_in(folder)) as index:
        good = items.drop(index=kept["row"] - 1)
        assert index.ids() == sorted(good["id"])

    items.to_csv(folder / "items.csv", index=False)  # mended
    again = run(folder, "index", folder / "items.csv", *flags)
    assert "0 quarantined" in " ".join(again.stdout.split())
    assert not file.parent.exists()


def test_without_being_asked_bad_rows_are_refused(folder: Path) -> None:
    result = run(folder, "index", folder / "items.csv")
    assert result.exit_code == 2
    assert "row 3 (id 'i2'): launch: '31.12.2017' is not a date" in result.stderr
    assert {path.name for path in folder.iterdir()} == {"items.csv", "job.yaml"}


@pytest.mark.parametrize("kind", ["parquet", "query", "frame", "semicolons"])
def test_sources_of_every_kind(kind: str, folder: Path, items: pd.DataFrame) -> None:
    bad = spoil(items).assign(price=1.5, shelf=range(N))
    source: Any = bad
    sections: dict[str, Any] = {}
    if kind == "parquet":
        source = folder / "bad.parquet"
        bad.to_parquet(source)
    if kind == "query":
        with sqlite3.connect(folder / "shop.sqlite") as database:
            bad.to_sql("items", database, index=False)
        database.close()
        source = SqlQuery("select * from items", f"sqlite:///{folder / 'shop.sqlite'}")
    if kind == "semicolons":
        bad.to_csv(folder / "bad.csv", index=False, sep=";", decimal=",", encoding="cp1252")
        how = {"delimiter": ";", "decimal": ",", "encoding": "cp1252"}
        sections = {"items": {"csv": how}}
        source = settings_in(folder, **sections).items.at(folder / "bad.csv")
    quarantine = Quarantine(folder / "kept")
    counts = index_job(settings_in(folder, **sections), source, quarantine=quarantine)
    assert (counts["new"], counts["quarantined"]) == (13, 7)
    file = quarantine.files["items"]
    assert quarantine.counts == {"items": 7}
    if kind == "semicolons":
        kept = pd.read_csv(file)
        assert kept["price"].tolist() == ["1,5"] * 7  # as it was
    else:
        assert file.suffix == ".parquet"
        kept = pd.read_parquet(file)
        assert kept["price"].tolist() == [1.5] * 7
    # In a frame the date is refused by another check, in other words.
    assert [row for row, _, _ in told(kept)] == [row for row, _, _ in SPOILED]
    assert kept["shelf"].tolist() == [row - 1 for row in kept["row"]]


def test_a_file_of_the_other_kind_does_not_stay(folder: Path, items: pd.DataFrame) -> None:
    settings = settings_in(folder)
    for suffix, source in (
        ("csv", folder / "items.csv"),
        ("parquet", spoil(items).assign(price=1.5)),
    ):
        quarantine = Quarantine(folder / "kept")
        index_job(settings, source, quarantine=quarantine)
        assert [path.name for path in (folder / "kept").iterdir()] == [f"items.{suffix}"]


def test_columns_of_the_same_names_keep_theirs(folder: Path, items: pd.DataFrame) -> None:
    quarantine = Quarantine(folder / "kept")
    bad = spoil(items).rename(columns={"shelf": "row"})
    index_job(settings_in(folder), bad, quarantine=quarantine)
    kept = pd.read_parquet(quarantine.files["items"])
    assert kept["quarantine_row"].tolist() == [row for row, _, _ in SPOILED]
    assert kept["row"].tolist() == [f"{row - 1:03d}" for row, _, _ in SPOILED]


def test_more_than_half_is_too_much(folder: Path, items: pd.DataFrame) -> None:
    flags = ["--quarantine", folder / "kept", "--out", folder / "counts.json"]
    assert run(folder, "index", folder / "items.csv", *flags).exit_code == 0
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    items.loc[:10, "launch"] = "soon"
    items.to_csv(folder / "items.csv", index=False)
    refused = run(folder, "index", folder / "items.csv", *flags)
    assert refused.exit_code == 2
    assert (
        f"error: {folder / 'items.csv'}: 11 of 20 rows are bad, more than half; none is "
        "quarantined, and nothing is done\n  row 1: launch is not a date (write YYYY-MM-DD)\n"
    ) in refused.stderr
    assert "... and 6 more" in refused.stderr
    for name in ("counts.json", "kept/index/items.csv"):
        assert (folder / name).read_bytes() == before[folder / name]


def test_half_of_the_rows_may_be_bad(folder: Path, items: pd.DataFrame) -> None:
    items.loc[:9, "launch"] = "soon"
    counts = index_job(settings_in(folder), items, quarantine=Quarantine(folder / "kept"))
    assert (counts["new"], counts["quarantined"]) == (10, 10)


def test_what_is_not_about_rows_is_refused(folder: Path, items: pd.DataFrame) -> None:
    items.drop(columns="brand").to_csv(folder / "items.csv", index=False)
    refused = run(folder, "index", folder / "items.csv", "--on-bad-rows", "quarantine")
    assert refused.exit_code == 2
    assert "items.csv: no column 'brand'" in refused.stderr
    unknown = run(folder, "index", folder / "items.csv", "--on-bad-rows", "skip")
    assert "bad_rows.action: Input should be 'fail' or 'quarantine'" in unknown.stderr


@pytest.mark.parametrize(("launch", "times"), [("soon", 1), ("2017-05-01", 2)])
def test_an_item_in_quarantine_is_not_pruned(
    folder: Path, items: pd.DataFrame, launch: str, times: int
) -> None:
    settings = settings_in(folder, index={"prune": True})
    typed = items.assign(price=1.5)
    index_job(settings, typed)
    bad = pd.concat([typed.loc[[3]].assign(launch=launch)] * times)
    typed = pd.concat([typed[1:].drop(index=3), bad])
    counts = index_job(settings, typed, quarantine=Quarantine(folder / "kept"))
    assert (counts["pruned"], counts["quarantined"], counts["total"]) == (1, times, 19)
    with open_index(settings) as index:
        assert "i3" in index.ids()
        assert "i0" not in index.ids()


def test_settings_name_a_folder_beside_their_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "job.yaml").open("a") as config:
        config.write("bad_rows: {folder: kept}\n")
    assert run(folder, "index", folder / "items.csv").exit_code == 2
    monkeypatch.setenv("LIKEWISE_BAD_ROWS__ACTION", "quarantine")
    assert run(folder, "index", folder / "items.csv").exit_code == 0
    assert (folder / "kept" / "index" / "items.csv").is_file()
    refused = run(folder, "index", folder / "items.csv", "--on-bad-rows", "fail")
    assert refused.exit_code == 2


# --- classify and evaluate ---------------------------------------------------------------------


def test_classify_leaves_out_what_has_no_text(folder: Path, items: pd.DataFrame) -> None:
    index_job(settings_in(folder), items.assign(price=1.5))
    new = items.head(8).drop(columns="id")
    new.loc[[1, 4], ["name", "brand"]] = None
    new.to_csv(folder / "new.csv", index=False)
    settings = settings_in(folder, bad_rows={"action": "quarantine", "folder": folder / "kept"})
    labels = classify_job(settings, folder / "new.csv")
    assert labels["item_id"].tolist() == [f"row {row}" for row in (1, 3, 4, 6, 7, 8)]
    kept = pd.read_csv(folder / "kept" / "classify" / "new_items.csv")
    assert told(kept) == [(row, "name, brand", "holds no text") for row in (2, 5)]
    assert kept["kind"].tolist() == ["candy", "chips"]


def test_evaluate_leaves_out_what_has_no_group(folder: Path, items: pd.DataFrame) -> None:
    items.loc[[0, 5], "shelf"] = None
    quarantine = Quarantine(folder / "kept")
    result = evaluate_job(
        settings_in(folder), items, folds=2, group_col="shelf", quarantine=quarantine
    )
    assert result.setup["quarantined"] == 2
    assert result.evaluation.counts["items"] == N - 2
    assert told(pd.read_parquet(quarantine.files["items"])) == [
        (1, "shelf", "is missing"),
        (6, "shelf", "is missing"),
    ]


def test_evaluate_screens_test_items_and_strangers(folder: Path, items: pd.DataFrame) -> None:
    index_job(settings_in(folder), items[10:].assign(price=1.5))
    test = items[:10].copy()
    test.loc[3, "id"] = "i4"
    outside = test[5:].copy()
    outside.loc[7, ["name", "brand"]] = " "
    quarantine = Quarantine(folder / "kept")
    settings = settings_in(folder)
    result = evaluate_job(settings, test=test, outside=outside, quarantine=quarantine)
    assert quarantine.counts == {"test": 2, "outside": 1}
    assert result.evaluation.counts["items"] == 8
    crossed = evaluate_job(settings, items, outside=outside, folds=2, quarantine=quarantine)
    assert quarantine.counts == {"items": 0, "test": 2, "outside": 1}
    assert crossed.setup["quarantined"] == 3


# --- the command line --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def candy(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the shop's tables as CSV, an index, and one bad row in each table."""
    folder = tmp_path_factory.mktemp("candy")
    text = shop.config.read_text().replace(".parquet", ".csv")
    (folder / "job.yaml").write_text(text.replace("horizon: 4", "horizon: 2\n  method: knn"))
    items = shop.items.tail(500)
    sales = shop.sales[shop.sales["unique_id"].isin(items["product_id"])]
    items.to_csv(folder / "items.csv", index=False)
    assert run(folder, "index").exit_code == 0
    new = items[items["launch_date"] > CUTOFF].tail(6).astype({"launch_date": "str"})
    new.iloc[1, new.columns.get_loc("product_id")] = None
    new.to_csv(folder / "new.csv", index=False)
    sales = sales.assign(y=[-1.0, *sales["y"][1:]])
    sales.to_csv(folder / "sales.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("verb", "flags", "table"),
    [
        ("classify", ["new.csv"], "new_items"),
        ("evaluate", ["--test", "new.csv"], "test"),
        ("forecast", ["--new", "new.csv", "--cutoff", CUTOFF], "sales"),
        ("backtest", ["--cutoffs", "2017-10-02", "--last", "2017-10-09"], "sales"),
    ],
)
def test_every_verb_has_the_flags(
    verb: str,
    flags: list[str],
    table: str,
    candy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(candy)
    refused = run(candy, verb, *flags)
    assert refused.exit_code == 2
    assert "product_id is missing" in refused.stderr or "y is negative" in refused.stderr
    result = run(candy, verb, *flags, "--quarantine", tmp_path)
    assert result.exit_code == 0, result.stderr
    file = tmp_path / verb / f"{table}.csv"
    assert f"1 bad row of {table} left out, see {file}" in result.stdout
    assert len(pd.read_csv(file)) == 1
    assert not (candy / "quarantine").exists()


# --- the screen itself -------------------------------------------------------------------------


def screen(bad: Callable[[pd.DataFrame], list[int]], folder: Path) -> list[int]:
    """The rows that are left of 0 to 9."""
    table = pd.DataFrame({"x": range(10)})

    def use(frame: pd.DataFrame) -> list[int]:
        if rows := bad(frame):
            raise TableError("bad", [Offense("t", rows, "x", "is bad")])
        return frame["x"].tolist()

    def read(source: Any, skip: Any) -> pd.DataFrame:
        frame: pd.DataFrame = source.drop(index=list(skip))
        return frame

    return Quarantine(folder).screen("t", table, read, use).result


def test_offenders_are_dropped_until_none_is_left(tmp_path: Path) -> None:
    def first_of_too_many(frame: pd.DataFrame) -> list[int]:
        return [0] if len(frame) > 6 else []

    assert screen(first_of_too_many, tmp_path) == [4, 5, 6, 7, 8, 9]
    assert pd.read_parquet(tmp_path / "t.parquet")["row"].tolist() == [1, 2, 3, 4]
    with pytest.raises(InputError, match="6 of 10 rows are bad"):
        screen(lambda frame: [0], tmp_path)


def test_an_error_about_no_row_is_raised_at_once(tmp_path: Path) -> None:
    def use(frame: pd.DataFrame) -> None:
        raise TableError("no column")

    with pytest.raises(TableError, match="no column"):
        Quarantine(tmp_path).screen("t", pd.DataFrame({"x": [1]}), lambda t, skip: t, use)

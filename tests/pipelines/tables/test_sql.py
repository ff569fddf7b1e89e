"""Results into SQLite and into a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from pipelines.tables.reader import read_table
from pipelines.tables.sql import DatabaseError, DatabaseTable, SqlQuery, connected
from retrieval import InputError
from serving.command_line import app
from tests.pipelines.conftest import CHIPS, CHOCOLATE
from tests.pipelines.postgresql import postgresql

RESULT = pd.DataFrame(
    {
        "item_id": ["007", "8", "9"],
        "label": ["sweet", None, "salty"],
        "probability": [0.9, float("nan"), 0.5],
        "known": [True, False, True],
        "day": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
        "neighbors": [[{"item_id": "1"}], [], []],
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("psycopg", reason="the driver is not installed (likewise[postgresql])")
    with postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.sqlite'}"
    return str(request.getfixturevalue("server"))


def test_a_result_replaces_the_one_before(url: str) -> None:
    target = DatabaseTable("replaced", url)
    assert target.count() is None
    target.replace(RESULT)
    target.replace(RESULT.head(2))
    assert target.count() == 2
    kinds = {"item_id": "string", "probability": "number", "day": "date", "neighbors": "string"}
    read = read_table(SqlQuery("select * from replaced order by item_id", url), kinds)  # type: ignore[arg-type]
    assert read["item_id"].tolist() == ["007", "8"]
    assert read["neighbors"].tolist() == ['[{"item_id": "1"}]', "[]"]
    assert read["day"].tolist() == RESULT["day"].tolist()[:2]
    assert pd.isna(read["probability"].iloc[1])
    target.clear()
    assert target.count() == 0


def test_other_columns_make_the_table_anew(url: str) -> None:
    target = DatabaseTable("columns", url)
    target.replace(RESULT)
    target.replace(RESULT[["item_id", "label"]])
    with connected(url, "test") as connection:
        columns = [one["name"] for one in sa.inspect(connection).get_columns("columns")]
    assert columns == ["item_id", "label"]


def test_a_failure_midway_leaves_the_rows_before(url: str) -> None:
    target = DatabaseTable("whole", url)
    target.replace(RESULT)
    with connected(url, "test", to_write=True) as connection:
        connection.execute(sa.text("create unique index one_each on whole (item_id)"))
    twice = pd.concat([RESULT, RESULT.head(1)])
    with pytest.raises(DatabaseError, match="database table whole: the database refused"):
        target.replace(twice)
    assert target.count() == 3


def test_rights_and_views_survive(server: str) -> None:
    target = DatabaseTable("public.granted", server)
    target.replace(RESULT)
    with connected(server, "test", to_write=True) as connection:
        connection.execute(sa.text("create role reader"))
        connection.execute(sa.text("grant select on granted to reader"))
        connection.execute(sa.text("create view seen as select item_id from granted"))
    target.replace(RESULT.head(1))
    with connected(server, "test") as connection:
        connection.execute(sa.text("set role reader"))
        assert connection.execute(sa.text("select count(*) from granted")).scalar_one() == 1
    with pytest.raises(DatabaseError, match="refused: cannot drop table"):
        target.replace(RESULT[["label"]])
    assert target.count() == 1


def test_a_reader_sees_the_old_rows_until_all_are_written(server: str) -> None:
    target = DatabaseTable("seen_whole", server)
    target.replace(RESULT)
    seen = []

    class Slow(pd.DataFrame):
        """Rows of which a part is written before the reader looks."""

        def to_sql(self, *arguments: object, **options: object) -> int | None:  # type: ignore[override]
            written = super().to_sql(*arguments, **options)  # type: ignore[arg-type]
            seen.append(target.count())
            return written

        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return Slow

    target.replace(Slow(RESULT.head(1)))
    assert seen == [3]
    assert target.count() == 1


def test_a_postgresql_table_is_read_in_its_types(server: str) -> None:
    query = """
        select '007' as id, 12.50::numeric as price, date '2024-03-04' as day, true as in_stock
        union all select '8', null, null, null order by 1
    """
    kinds = {"id": "string", "price": "number", "day": "date", "in_stock": "flag"}
    table = read_table(SqlQuery(query, server), kinds)  # type: ignore[arg-type]
    assert table["id"].tolist() == ["007", "8"]
    assert table["price"].iloc[0] == 12.5
    assert table["day"].iloc[0] == pd.Timestamp("2024-03-04")
    assert table["in_stock"].tolist()[0] is True


def test_what_is_wrong_is_told_without_the_password(server: str) -> None:
    wrong = server.replace("s3cret", "other")
    with pytest.raises(DatabaseError, match="does not answer") as refused:
        DatabaseTable("t", wrong).replace(RESULT)
    assert "other" not in str(refused.value)
    with pytest.raises(InputError, match="no_such_table"):
        read_table(SqlQuery("select * from no_such_table", server))
    with pytest.raises(DatabaseError, match='schema "nowhere" does not exist'):
        DatabaseTable("nowhere.t", server).replace(RESULT)


def test_the_command_reads_from_and_writes_to_postgresql(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pd.DataFrame({"item_id": ["1", "2"], "name": [CHIPS, CHOCOLATE]})
    DatabaseTable("asked", server).replace(texts)
    texts.to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "labels.yaml").write_text("salty: chips\nsweet: chocolate\n")
    (tmp_path / "job.yaml").write_text("items: {text: name}\nclassify: {labels: labels.yaml}\n")
    monkeypatch.chdir(tmp_path)
    asked = ["classify", "new.csv", "--config", "job.yaml", "--out-table", "answered"]
    homeless = CliRunner().invoke(app, asked)
    assert (homeless.exit_code, "LIKEWISE_SINK__URL" in homeless.stderr) == (2, True)
    monkeypatch.setenv("LIKEWISE_SINK__URL", server)
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.stderr
    assert "written to database table answered" in result.stdout
    assert "s3cret" not in result.stdout + result.stderr
    read = read_table(SqlQuery("select label from answered order by item_id", server))
    assert read["label"].tolist() == ["salty", "sweet"]


def test_a_run_reads_from_and_writes_to_postgresql(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pd.DataFrame({"item_id": ["1", "2"], "name": [CHIPS, CHOCOLATE]})
    DatabaseTable("new_items", server).replace(texts)
    (tmp_path / "labels.yaml").write_text("salty: chips\nsweet: chocolate\n")
    (tmp_path / "job.yaml").write_text(
        "items: {text: name}\nclassify: {labels: labels.yaml}\n"
        "new_items: {sql: select * from new_items order by item_id}\n"
        "run: {out: out, steps: classify}\n"
    )
    monkeypatch.chdir(tmp_path)
    for section in ("NEW_ITEMS", "SINK"):
        monkeypatch.setitem(os.environ, f"LIKEWISE_{section}__URL", server)
    run = ["run", "--config", "job.yaml"]
    assert CliRunner().invoke(app, run).stdout.startswith("classify  done           2 items")
    assert CliRunner().invoke(app, run).stdout.startswith("classify  unchanged")
    assert "s3cret" not in (tmp_path / "out" / "manifests" / "classify.json").read_text()
    DatabaseTable("likewise_labels", server).clear()
    assert CliRunner().invoke(app, run).stdout.startswith("classify  done")
    assert DatabaseTable("likewise_labels", server).count() == 2

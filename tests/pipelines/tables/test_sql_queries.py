from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from pipelines.tables.reader import read_table
from pipelines.tables.sql import DatabaseError, SqlQuery
from retrieval import InputError, TableError

BIG = 2**53 + 1


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'shop.sqlite'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE items (id INTEGER, code TEXT, day DATE, y REAL)"))
        rows = [
            {"id": BIG, "code": "007", "day": "2024-01-01", "y": 1.5},
            {"id": None, "code": None, "day": None, "y": None},
            {"id": 3, "code": "x", "day": "2024-02-01", "y": 2},
        ]
        insert = sa.text("INSERT INTO items VALUES (:id, :code, :day, :y)")
        connection.execute(insert, rows)
    engine.dispose()
    return url


def test_a_query_is_a_table(url: str) -> None:
    kinds = {"day": "date", "id": "string", "code": "string", "y": "number"}
    table = read_table(SqlQuery("SELECT * FROM items ORDER BY y DESC", url), kinds)  # type: ignore[arg-type]
    assert table.columns.tolist() == list(kinds)
    assert table["id"].tolist()[:2] == ["3", str(BIG)]
    assert table["code"].tolist()[:2] == ["x", "007"]
    assert table["day"].tolist()[:2] == [pd.Timestamp("2024-02-01"), pd.Timestamp("2024-01-01")]
    assert table["y"].tolist()[:2] == [2.0, 1.5]
    assert table.iloc[2].isna().all()


def test_an_answer_without_rows_has_its_columns(url: str) -> None:
    table = read_table(SqlQuery("SELECT id, day FROM items WHERE 1 = 0", url), {"day": "date"})
    assert table.columns.tolist() == ["day"]
    assert table.empty


def test_many_rows_come_in_parts(url: str) -> None:
    query = """
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 119999)
        SELECT i AS id, CASE WHEN i > 60000 THEN i + 0.5 END AS y FROM n
    """
    table = read_table(SqlQuery(query, url), {"id": "string", "y": "number"})
    assert len(table) == 120_000
    assert table["id"].is_unique
    assert table["y"].notna().sum() == 59_999


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT * FROM sales", "SQL query: no such table: sales"),
        ("SELECT price FROM items", "SQL query: no such column: price"),
        ("SELEC 1", "syntax error"),
        ("DELETE FROM items", "the statement returns no rows"),
        ("SELECT code FROM items", "SQL query: no column 'id' (there are: code)"),
        ("SELECT 1 AS id, 2 AS id", "SQL query: column id is there more than once"),
    ],
)
def test_a_wrong_query_is_refused(url: str, query: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(SqlQuery(query, url), {"id": "string"})
    assert problem in str(caught.value)


def test_a_column_of_several_types_is_text_whose_odd_cells_are_named(url: str) -> None:
    mixed = SqlQuery("SELECT 'a' AS id, 1.5 AS y UNION ALL SELECT 2, 'on request'", url)
    assert read_table(mixed, {"id": "name"})["id"].tolist() == ["a", "2"]
    with pytest.raises(TableError, match="SQL query: row 2: y: 'on request' is not a number"):
        read_table(mixed, {"y": "number"})


def test_a_refused_statement_changed_nothing(url: str) -> None:
    with pytest.raises(InputError):
        read_table(SqlQuery("DELETE FROM items", url))
    assert len(read_table(SqlQuery("SELECT * FROM items", url))) == 3


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite:///absent.sqlite", "absent.sqlite: no such file"),
        ("me:hush@host", "url: Could not parse SQLAlchemy URL"),
        ("nosuch://me:hush@host/db", "url: Can't load plugin"),
        ("oracle+oracledb://me:hush@host/db", "url: the driver for 'oracle+oracledb' is not"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(SqlQuery("SELECT 1", url))
    assert problem in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_missing_database_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_table(SqlQuery("SELECT 1", f"sqlite:///{tmp_path / 'absent.sqlite'}"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_open_is_not_the_users_mistake(tmp_path: Path) -> None:
    url = f"sqlite:///file:{tmp_path / 'absent.sqlite'}?mode=ro&uri=true"
    with pytest.raises(DatabaseError, match="does not answer: unable to open"):
        read_table(SqlQuery("SELECT 1", url))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises((InputError, TableError), match="not a database"):
        read_table(SqlQuery("SELECT * FROM items", f"sqlite:///{path}"))

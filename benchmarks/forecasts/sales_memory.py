"""How much memory 5 million rows of sales need on their way from a file to the panel.

The rows are made up: only their number and types matter here. Each way of reading runs in a process
of its own, whose peak is measured::

    python -m benchmarks.forecasts.sales_memory [--rows 5000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

WEEKS = 104
WAYS = ("imports alone", "sales.parquet", "sales.csv", "sales.csv.gz", "sqlite")


def main() -> None:
    """Measure all ways, or, in a process of its own, one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.way is not None:
        _measure(options.way, options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), options.rows)
        print(f"{options.rows:,} rows of sales, {options.rows // WEEKS:,} items")
        print(f"{'from':<16} {'rows':>10} {'seconds':>8} {'peak read':>10} {'peak panel':>11}")
        for way in WAYS:
            asked = ["--way", way, "--folder", folder]
            subprocess.run([sys.executable, __file__, *asked], check=True)


def _write(folder: Path, rows: int) -> None:
    import sqlite3

    from pipelines.tables.output import write_table

    items = rows // WEEKS
    random = np.random.default_rng(0)
    names = np.array([f"article-{number:07d}" for number in range(items)])
    weeks = pd.date_range("2022-01-03", periods=WEEKS, freq="W-MON")
    sales = pd.DataFrame(
        {
            "unique_id": np.repeat(names, WEEKS),
            "ds": np.tile(weeks, items),
            "y": random.poisson(3.0, items * WEEKS).astype("float64"),
        }
    )
    write_table(sales, folder / "sales.parquet")
    text = sales.assign(ds=sales["ds"].dt.strftime("%Y-%m-%d"))
    write_table(text, folder / "sales.csv")
    write_table(text, folder / "sales.csv.gz")
    with sqlite3.connect(folder / "sales.sqlite") as database:
        text.to_sql("sales", database, index=False, chunksize=100_000)


def _measure(way: str, folder: Path) -> None:
    from forecasting.data.items import item_lives
    from forecasting.data.sales import Sales
    from pipelines.tables.reader import read_table
    from pipelines.tables.sql import SqlQuery

    started, rows = time.perf_counter(), 0
    read = built = _peak()
    if way != "imports alone":
        query = SqlQuery("select * from sales", f"sqlite:///{folder / 'sales.sqlite'}")
        kinds = {"unique_id": "string", "ds": "date", "y": "number"}
        sales = read_table(query if way == "sqlite" else folder / way, kinds, id_col="unique_id")
        rows, read = len(sales), _peak()
        ids = pd.Series(sales["unique_id"].unique())
        launch = pd.Series(pd.NaT, index=ids.index, dtype="datetime64[ns]")
        Sales.read(sales, item_lives(ids, launch), freq="W-MON").panel()
        built = _peak()
    seconds = time.perf_counter() - started
    print(f"{way:<16} {rows:>10,} {seconds:>8.1f} {read:>7.2f} GB {built:>8.2f} GB")


def _peak() -> float:
    """Most memory the process has held until now, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6  # rusage counts the parent's, too


if __name__ == "__main__":
    main()

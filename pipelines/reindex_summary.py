"""What a person sees when a collection has been built anew."""

import math

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.jobs.reindex import Reindexing


def show_reindexing(console: Console, name: str, done: Reindexing) -> None:
    """What was done, and how the versions compare.

    Args:
        console: Where to.
        name: Of the collection.
        done: What `pipelines.jobs.reindex` returned.
    """
    if done.before is not None and done.after is not None:
        console.print(_compared(done))
    console.print(
        f"[bold]{done.copied:,}[/] copied  [bold]{done.removed:,}[/] removed  "
        f"[bold]{done.late:,}[/] carried over afterwards"
    )
    for one in done.dropped:
        console.print(f"removed {escape(one)}")
    former, live = escape(done.former), escape(done.live)
    if live == former:
        console.print(f"{escape(name)} stays [bold]{former}[/]")
    else:
        console.print(f"{escape(name)} is now [bold]{live}[/], was {former}")


def _compared(done: Reindexing) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("version", "items", "recall@10", "neighbors with the same label", "by"):
        table.add_column(column, justify="left" if column in ("version", "by") else "right")
    for role, version, found in (
        ("live", done.former, done.before),
        ("next", done.version, done.after),
    ):
        assert found is not None
        agreement = "no labels" if math.isnan(found.agreement) else f"{found.agreement:.1%}"
        table.add_row(
            f"{escape(version)} ({role})",
            f"{found.items:,}",
            f"{found.recall:.3f}",
            agreement,
            escape(found.engine),
        )
    return table

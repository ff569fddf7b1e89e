"""Options that several verbs of the command line have in common, alone and in groups.

`pipelines.cli.runner.verb` spreads a group, a dataclass, into options of the verb.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.logs import LogFormat

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML settings; see configs/ for one."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PATH", help="Result, .parquet or .csv; replaced as a whole."
    ),
]
OutTableOption = Annotated[
    str | None,
    typer.Option(
        "--out-table", metavar="TABLE", help="Result into this table of the database sink.url."
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Who works: this process, or Ray's workers and a Milvus server.",
    ),
]
PruneOption = Annotated[
    bool | None,
    typer.Option(
        "--prune/--no-prune", help="Remove items from the index that the table no longer has."
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="With --prune: also more than 20 % of the index.")
]
IdOption = Annotated[
    str | None, typer.Option("--id-col", help="Column of item ids.", metavar="COL")
]
TextOption = Annotated[
    str | None, typer.Option("--text-cols", help="Columns of text.", metavar="COL,COL")
]
LabelOption = Annotated[
    str | None, typer.Option("--label-col", help="Column of labels.", metavar="COL")
]
LaunchOption = Annotated[
    str | None, typer.Option("--launch-date-col", help="Column of launch dates.", metavar="COL")
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        "--language",
        help="Column of each item's language (de, en, ...); auto: it is told from the text.",
        metavar="COL",
    ),
]
AttributesOption = Annotated[
    str | None, typer.Option("--attribute-cols", help="Columns of attributes.", metavar="COL,COL")
]
VotersOption = Annotated[int | None, typer.Option("-k", min=1, help="Neighbors that vote.")]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="The labels in words: YAML, JSON, or a table label,description.",
    ),
]
AdaptOption = Annotated[
    bool | None,
    typer.Option(
        "--adapt/--no-adapt",
        help="Labels in words alone learn from the items to be labeled, all of them together.",
    ),
]
DemandOption = Annotated[
    bool | None,
    typer.Option("--demand/--no-demand", help="Learn from what the items sold, too."),
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="FOLDER", help="A saved classifier, instead of fitting one."),
]
CoverageOption = Annotated[
    float | None, typer.Option("--coverage", help="Share of label sets that hold the true label.")
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", help="Logs on stderr; auto: console on a terminal, else json."),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Log more; show the traceback of an error.")
]


@dataclass(frozen=True)
class IndexOptions:
    """Which collection."""

    uri: Annotated[
        str | None,
        typer.Option(
            "--uri", help="Milvus: a .db file (Lite) or http(s)://host:port.", metavar="URI"
        ),
    ] = None
    collection: Annotated[
        str | None, typer.Option("--collection", help="Collection of the index.", metavar="NAME")
    ] = None

    @property
    def section(self) -> dict[str, str | None]:
        """What was given, as settings."""
        return {"uri": self.uri, "collection": self.collection}


@dataclass(frozen=True)
class BadRowsOptions:
    """What becomes of bad rows."""

    on_bad_rows: Annotated[
        str | None,
        typer.Option(
            "--on-bad-rows",
            metavar="fail|quarantine",
            help="Refuse tables with bad rows, or leave these out and keep them in a file.",
        ),
    ] = None
    quarantine: Annotated[
        Path | None,
        typer.Option(
            "--quarantine",
            metavar="FOLDER",
            help="Leave bad rows out and keep them here; else in quarantine/ beside --out.",
        ),
    ] = None

    @property
    def section(self) -> dict[str, Any]:
        """What was given, as settings; a folder is to keep them."""
        action = self.on_bad_rows or (None if self.quarantine is None else "quarantine")
        return {"action": action, "folder": self.quarantine}


@dataclass(frozen=True)
class TableOptions:
    """How the tables are written."""

    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="NAME", help="Of CSV files; else utf-8."),
    ] = None
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", metavar="MARK", help="Of CSV files; else a comma.")
    ] = None
    decimal: Annotated[
        str | None, typer.Option("--decimal", metavar=".|,", help="Mark of numbers that are text.")
    ] = None
    date_format: Annotated[
        str | None,
        typer.Option(
            "--date-format",
            metavar="FORM",
            help="Of dates that are text: dayfirst, monthfirst, iso-week, excel, %d.%m.%y.",
        ),
    ] = None

    @property
    def section(self) -> dict[str, str | None]:
        """What was given, as settings of all tables."""
        mark = {"\\t": "\t", "tab": "\t"}.get(self.delimiter or "", self.delimiter)
        return {
            "encoding": self.encoding,
            "delimiter": mark,
            "decimal": self.decimal,
            "date_format": self.date_format,
        }

"""What every verb of the command line does: settings, errors, exit codes, results."""

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from pipelines.cli.options import DebugOption, LogFormatOption
from pipelines.logs import LogFormat, configure_logs

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.config.settings import Settings
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.tables.sql import DatabaseTable


def verb(action: Callable[..., None]) -> Callable[..., None]:
    """Make a function a verb: it logs as asked, and its errors become messages and exit codes.

    A keyword-only parameter that is a dataclass is a group: its fields are options of the verb.
    """
    groups: dict[str, type] = {}
    options: list[Parameter] = []
    for parameter in signature(action, eval_str=True).parameters.values():
        group = parameter.annotation
        if isinstance(group, type) and is_dataclass(group):
            groups[parameter.name] = group
            options += _options_of(group)
        else:
            options.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    options += [
        _option("log_format", LogFormatOption, "auto"),
        _option("debug", DebugOption, False),
    ]

    def run(*, log_format: LogFormat, debug: bool, **given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        with running(log_format, debug):
            action(**given)

    run.__name__, run.__doc__ = action.__name__, action.__doc__
    run.__annotations__ = {option.name: option.annotation for option in options}
    run.__signature__ = signature(action).replace(parameters=options)  # type: ignore[attr-defined]
    return run


def _options_of(group: type) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [_option(field.name, hints[field.name], field.default) for field in fields(group)]


def _option(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


@contextmanager
def running(log_format: LogFormat, debug: bool) -> Iterator[None]:
    """Set up the logs; turn an error into a clear message and its exit code."""
    configure_logs(log_format, debug=debug)
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        from retrieval import InputError, LikewiseError, masked

        if debug:
            print(masked(traceback.format_exc()), file=sys.stderr)
        expected = isinstance(error, LikewiseError | OSError)
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        if not (expected or debug):
            message += "\n(unexpected; --debug shows where)"
        print(f"error: {masked(message)}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


def settings_of(config: Path | None, **flags: Mapping[str, Any]) -> "Settings":
    """Return the settings of a verb, whose flags win where they were given."""
    from pipelines.config.settings import load_settings

    given = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in flags.items()
    }
    return load_settings(config, given)


def show_quarantine(quarantine: "Quarantine") -> None:
    """Print a line for each table with bad rows: how many, and where they are."""
    for table, file in quarantine.files.items():
        rows = quarantine.counts[table]
        typer.echo(f"{rows:,} bad row{'' if rows == 1 else 's'} of {table} left out, see {file}")


def parsed_date(option: str, text: str | None) -> "pd.Timestamp | None":
    """Return the date an option holds; InputError where it holds something else."""
    if text is None:
        return None
    from retrieval import parse_date

    return parse_date(text, option)


def check_out(
    settings: "Settings", out: Path | None, names: Iterable[str] = (), **reads: object
) -> None:
    """Refuses, before the work, an ``--out`` that would write over what the verb reads.

    Args:
        settings: Of the verb.
        out: A file, or a folder.
        names: The files that the verb writes in that folder.
        reads: As `pipelines.overwriting.refuse_overwriting` takes them.
    """
    from pipelines.overwriting import Write, refuse_overwriting

    if out is not None:
        refuse_overwriting(settings, Write("--out", out, tuple(names)), **reads)


def check_table_out(
    settings: "Settings", out: Path | None, out_table: str | None = None, **reads: object
) -> "DatabaseTable | None":
    """Check the same for a table, which must be writable, too; return that of the database."""
    from pipelines.overwriting import refuse_replacing
    from pipelines.tables.output import check_writable

    if out is not None:
        check_writable(out)
    check_out(settings, out, (), **reads)
    target = None if out_table is None else settings.sink.named(out_table)
    refuse_replacing(settings, target)
    return target


def check_folder(out: Path | None) -> None:
    """Refuses, before the work, an ``--out`` that should be a folder and is a file."""
    from retrieval import InputError

    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file, not a folder")


def write_result(
    settings: "Settings",
    table: "pd.DataFrame",
    out: Path | None,
    database: "DatabaseTable | None" = None,
) -> None:
    """Write a table to a file, to a database or to both, as asked for, and say so."""
    if database is not None:
        database.replace(table)
        typer.echo(f"written to {database}")
    if out is not None:
        from pipelines.tables.output import write_table

        write_table(table, out, guard_csv=settings.sink.csv_guard)
        typer.echo(f"written to {out}")

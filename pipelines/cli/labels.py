"""The verbs ``likewise classify`` and ``likewise evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    AdaptOption,
    BadRowsOptions,
    ConfigOption,
    CoverageOption,
    EngineOption,
    IdOption,
    IndexOptions,
    LabelOption,
    LabelsOption,
    LanguageOption,
    ModelOption,
    OutOption,
    OutTableOption,
    TableOptions,
    TextOption,
    VotersOption,
)
from pipelines.cli.runner import (
    check_folder,
    check_out,
    check_table_out,
    settings_of,
    show_quarantine,
    verb,
    write_result,
)


@verb
def classify(
    items: Annotated[Path, typer.Argument(metavar="ITEMS", help="Table of the items to label.")],
    labels: LabelsOption = None,
    adapt: AdaptOption = None,
    unlabeled: Annotated[
        Path | None,
        typer.Option("--unlabeled", metavar="PATH", help="Items without a label, to learn from."),
    ] = None,
    outside: Annotated[
        Path | None,
        typer.Option(
            "--outside", metavar="PATH", help="Items of none of the labels, to learn what is none."
        ),
    ] = None,
    model: ModelOption = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Save the classifier for --model."),
    ] = None,
    k: VotersOption = None,
    coverage: CoverageOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Tell what asking a language model would cost; ask none."),
    ] = False,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    *,
    index: IndexOptions,
    engine: EngineOption = None,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    out: OutOption = None,
    out_table: OutTableOption = None,
) -> None:
    """Label new items by the labeled items of the index, by labels in words, or by both."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.labels import label_items
    from pipelines.reports.terminal import make_console, show_labels
    from pipelines.tables.output import write_json

    settings = settings_of(
        config,
        tables=written.section,
        items={"id": id_col, "text": text_cols},
        index=index.section,
        classify={
            "k": k,
            "labels": labels,
            "adapt": adapt,
            "coverage": coverage,
            "unlabeled": unlabeled,
            "outside": outside,
        },
        bad_rows=bad_rows.section,
        engine={"kind": engine},
    )
    given = {"new_items": items, "model": model, "save": save}
    target = check_table_out(settings, out, out_table, **given)
    new = settings.new_items.at(items) or items
    bad = Quarantine.of(settings, "classify", out and out.parent)
    made = label_items(settings, new, model=model, save=save, quarantine=bad, dry_run=dry_run)
    table = made.labels
    show_labels(make_console(), table)
    typer.echo(f"labeled by {made.labeled_by}")
    if made.planned is not None:
        typer.echo(f"asking the language model would cost at most: {made.planned}")
    if made.opinion is not None:
        typer.echo(str(made.opinion))
    if made.indexed:
        typer.echo(
            f"{made.indexed:,} of the items are in the index with their label, and were answered "
            "without it, as if they were new"
        )
    if made.could_use_strangers:
        typer.echo(
            "what is like none of the labels is told from their own examples; some items that are "
            "none of them, --outside FILE, would tell more"
        )
    show_quarantine(bad)
    write_result(settings, table, out, target)
    if made.opinion is not None and out is not None:
        verdict = out.with_name(f"{out.stem}.language.json")
        write_json(made.opinion.as_dict(), verdict)
        typer.echo(f"verdict on the language model: {verdict}")
    if save is not None:
        typer.echo(f"classifier saved to {save}/")


@verb
def evaluate(
    items: Annotated[
        Path | None,
        typer.Argument(metavar="ITEMS", help="Labeled items to cross-validate; else the config's."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="PATH", help="Labeled items for the index to label."),
    ] = None,
    outside: Annotated[
        Path | None,
        typer.Option("--outside", metavar="PATH", help="Items of none of the labels."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Cross-validate all, in so many folds; else 5.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Of more items, hold out so many once, at random; else 20,000."),
    ] = None,
    group_col: Annotated[
        str | None,
        typer.Option("--group-col", metavar="COL", help="Column of what is held out together."),
    ] = None,
    wrong_cost: Annotated[
        float | None,
        typer.Option("--wrong-cost", metavar="NUMBER", help="Of a wrong label that nobody saw."),
    ] = None,
    person_cost: Annotated[
        float | None,
        typer.Option("--person-cost", metavar="NUMBER", help="Of a person who labels an item."),
    ] = None,
    labels: LabelsOption = None,
    adapt: AdaptOption = None,
    model: ModelOption = None,
    k: VotersOption = None,
    coverage: CoverageOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and intervals.")] = 0,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    label_col: LabelOption = None,
    language: LanguageOption = None,
    *,
    index: IndexOptions,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder of page, numbers and pictures."),
    ] = None,
) -> None:
    """Score the labels of items whose label is known: a test table, or cross-validation."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.evaluation import FILES, evaluate_job
    from pipelines.reports.evaluation import show_evaluation, write_evaluation
    from pipelines.reports.terminal import make_console

    check_folder(out)
    columns = {"id": id_col, "text": text_cols, "label": label_col, "language": language}
    settings = settings_of(
        config,
        tables=written.section,
        items=columns,
        index=index.section,
        classify={"k": k, "labels": labels, "adapt": adapt, "coverage": coverage},
        evaluate={"sample": sample, "wrong_cost": wrong_cost, "person_cost": person_cost},
        bad_rows=bad_rows.section,
    )
    given = {"items": items, "test": test, "outside": outside}
    check_out(settings, out, FILES, **given, model=model)
    bad = Quarantine.of(settings, "evaluate", out)
    result = evaluate_job(
        settings,
        settings.items.at(items),
        test=settings.items.at(test),
        outside=settings.items.at(outside),
        folds=folds,
        group_col=group_col,
        model=model,
        seed=seed,
        quarantine=bad,
    )
    show_evaluation(make_console(), result.evaluation, result.setup)
    show_quarantine(bad)
    if out is not None:
        write_evaluation(result, out, guard_csv=settings.sink.csv_guard)
        page = "evaluation.html" if (out / "evaluation.html").exists() else "evaluation.json"
        typer.echo(f"written to {out}/: {page} and what it is made of")

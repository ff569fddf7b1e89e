"""The verb ``likewise ask``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import ConfigOption, IndexOptions, OutOption
from pipelines.cli.runner import (
    check_table_out,
    parsed_date,
    settings_of,
    verb,
    write_result,
)


@verb
def ask(
    questions: Annotated[
        list[str] | None, typer.Argument(metavar="[QUESTION]...", help="Questions, each in quotes.")
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", metavar="ID", help="The item they are about.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="COL=VALUE", help="Also col=a,b or col=1..3; all must hold."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="Answer as it was known on that day."),
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", min=1, max=50, help="Sources, or items of a list.")
    ] = None,
    forecasts: Annotated[
        Path | None,
        typer.Option("--forecasts", metavar="FILE", help="What likewise forecast has written."),
    ] = None,
    ranker: Annotated[
        Path | None,
        typer.Option("--ranker", metavar="FILE", help="A learned ranker; else the one that ships."),
    ] = None,
    learn: Annotated[
        Path | None,
        typer.Option(
            "--learn",
            metavar="TABLE",
            help="Learn from known answers instead, and write the file --ranker.",
        ),
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    out: OutOption = None,
) -> None:
    """Answer questions about the items of the index, with the fields the answers stand in."""
    from pipelines.answers.ask import answers_table
    from pipelines.jobs.answers import ask_job, learn_ranker
    from pipelines.overwriting import Write, refuse_overwriting
    from retrieval import InputError

    section = {"k": k, "forecasts": forecasts, "ranker": None if learn else ranker}
    settings = settings_of(config, index=index.section, ask=section)
    if learn is not None:
        if questions or ranker is None:
            raise InputError("ask --learn: give --ranker, the file to write, and no question")
        refuse_overwriting(settings, Write("--ranker", ranker), questions=learn)
        made = learn_ranker(settings, learn, ranker)
        typer.echo(
            f"written to {ranker}: answers from a probability of {made.threshold:.2f}, "
            f"{made.precision:.0%} right of the {made.coverage:.0%} of questions answered"
        )
        return
    if not questions:
        raise InputError("ask: give a question")
    check_table_out(settings, out, forecasts=settings.ask.forecasts, ranker=settings.ask.ranker)
    when = parsed_date("--as-of", as_of)
    answers = ask_job(settings, questions, item=item, where=where or (), as_of=when)
    for one in answers:
        typer.echo("\n".join(_lines(one.as_dict())))
    write_result(settings, answers_table(answers), out)


def _lines(answer: dict[str, object]) -> list[str]:
    """Return an answer as a person reads it."""
    likely = answer["probability"]
    sure = "" if likely is None else f"  ({likely:.0%} sure)"
    lines = [str(answer["question"])]
    lines.append(f"  {answer['answer']}{sure}" if answer["answer"] else f"  no answer{sure}")
    sources = answer["sources"]
    assert isinstance(sources, list | tuple)
    lines += [f"    {one['item_id']}  {one['field']}: {one['value']}" for one in sources]
    told = [*answer["conditions"], *answer["notes"]]  # type: ignore[misc]
    return [*lines, *(f"    {note}" for note in told)]


@verb
def recommend(
    like: Annotated[
        list[str] | None, typer.Option("--like", metavar="ITEM", help="Items like this one.")
    ] = None,
    customer: Annotated[
        list[str] | None, typer.Option("--customer", metavar="ID", help="Items for this customer.")
    ] = None,
    buyers_of: Annotated[
        list[str] | None,
        typer.Option("--buyers-of", metavar="ITEM", help="Customers for this item, a launch too."),
    ] = None,
    histories: Annotated[
        Path | None,
        typer.Option("--histories", metavar="FILE", help="Who bought what, when: a table."),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="With --customer: items that nobody has bought yet.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="What was bought already may come again.")
    ] = False,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="COL=VALUE", help="Also col=a,b or a price band col=1..3."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ITEM", help="Never this item.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="As it was known on that day.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, max=1_000, help="How many.")] = None,
    diversity: Annotated[
        float | None, typer.Option("--diversity", min=0, max=1, help="1: unlike one another.")
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    out: OutOption = None,
) -> None:
    """Recommend items like others, items for customers, or customers for items."""
    from pipelines.jobs.answers import Rules, recommend_job
    from pipelines.reports.terminal import make_console, show_recommendations
    from retrieval import InputError

    given = {"like": like, "customers": customer, "buyers": buyers_of}
    asked = [(about, ids) for about, ids in given.items() if ids]
    if len(asked) != 1:
        raise InputError("recommend: give one of --like, --customer and --buyers-of")
    (about, ids), *_ = asked
    settings = settings_of(config, index=index.section, recommend={"k": k, "diversity": diversity})
    check_table_out(settings, out, histories=histories)
    rules = Rules(
        kind="new" if new else "known",
        again=again,
        where=where or (),
        exclude=exclude or (),
        as_of=parsed_date("--as-of", as_of),
    )
    source = settings.histories.at(histories)
    found = recommend_job(settings, ids, about, rules, source)  # type: ignore[arg-type]
    show_recommendations(make_console(), found)
    write_result(settings, found, out)

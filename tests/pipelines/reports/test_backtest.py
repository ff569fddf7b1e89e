import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from forecasting import BacktestResult
from pipelines.reports import backtest
from pipelines.reports.backtest import backtest_headline, verdict_in_words, write_backtest_report
from pipelines.reports.launch_examples import all_categories, launch_examples, methods_in_words
from retrieval import InputError
from tests.forecasting.evaluation.test_plots import N, result
from tests.pipelines.html_page import Page

NAME = "<b>tea</b> & more"
OURS = "LaunchForecaster"


def written(made: BacktestResult, folder: Path, **options: str) -> str:
    path = folder / "backtest.html"
    write_backtest_report(made, path, **options)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made() -> BacktestResult:
    """One baseline is better than ours, one is alike, one is worse; all names need escaping."""
    base = result(**{OURS: 1.2, "zeros": 0.0, "good": 1.1, NAME: 1.2})
    two = pd.to_datetime(["2024-01-01", "2024-02-05"])
    late = {f"i{n:02}" for n in range(N // 2, N)}
    tables = {}
    for name in ("predictions", "totals", "items"):
        table = getattr(base, name)
        tables[name] = table.assign(
            cutoff=two[0] if table.empty else [two[int(one in late)] for one in table["unique_id"]]
        )
    tables["items"]["category"] = [NAME] * 25 + ["coffee"] * 25 + ["rare"] * 10
    left_out = pd.DataFrame({"unique_id": [NAME], "cutoff": [two[1]], "reason": ["<i>why</i>"]})
    return replace(base, left_out=left_out, **tables)


@pytest.fixture(scope="module")
def html(made: BacktestResult, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(made, tmp_path_factory.mktemp("page"), title=f"Shelf {NAME}")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def words(page: Page) -> str:
    return " ".join(page.text.split())


def test_the_page_needs_nothing_beside_it(page: Page, html: str) -> None:
    assert page.tags.count("svg") == 6  # of them three launches
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "img", "link", "iframe", "object", "image"} & set(page.tags)
    assert re.search(r"@import|url\((?!#)", html) is None
    assert 'name="viewport"' in html


def test_the_page_is_whole_and_names_are_escaped(page: Page, html: str) -> None:
    assert html.rstrip().endswith("</html>")
    assert page.open == []
    assert not {"b", "i"} & set(page.tags)
    for text in (f"Shelf {NAME}", NAME, "<i>why</i>"):
        assert text in page.text
    assert not {"None", "nan", "nan%", "NaT"} & {cell.strip() for row in page.rows for cell in row}


def test_it_says_what_was_tested(words: str, made: BacktestResult) -> None:
    headline = backtest_headline(made)
    assert headline in words
    assert headline.startswith("60 launches from 2024-01-01")
    assert "forecast for 3 weeks" in headline
    assert "(2024-01-01 and 2024-02-05)" in headline
    assert "2,000 draws, seed 0" in words
    assert "max_lead 3" in words
    assert "seed 0" in words.split("How this was made")[1]


def test_orders_are_told_in_money(made: BacktestResult, tmp_path: Path, words: str) -> None:
    assert "Say what a unit left over and one missing cost" in words
    costs = {"overage_cost": 1.0, "underage_cost": 4.0, "pack_size": 2.0}
    path = tmp_path / "orders.html"
    write_backtest_report(made, path, costs=costs)
    page, paid = Page(path.read_text(encoding="utf-8")), made.order_costs(**costs)
    cheapest = paid.drop(index=OURS)["cost"].idxmin()
    said = " ".join(page.text.split())
    assert f"{cheapest} would have cost least: {paid.loc[cheapest, 'cost']:,.0f}" in said
    assert "orders its forecast at level 0.8 of the total, in packs of 2" in said
    shown = {row[0]: row for row in page.rows if len(row) == 6 and row[0] in paid.index}
    assert list(shown) == list(paid.index)
    for method, row in paid.iterrows():
        assert shown[method][2:4] == [f"{row['cost']:,.0f}", f"{row['naive_cost']:,.0f}"]
    assert f"{paid.loc['zeros', 'difference']:+,.0f} [" in shown["zeros"][5]


def test_the_first_sentence_says_whether_to_trust_it(words: str, made: BacktestResult) -> None:
    row = made.compare().loc["zeros"]
    low, high = row["low"] / row["wape_total"], row["high"] / row["wape_total"]
    said = f"Tested on 60 past launches, their totals are better than the zeros by {low:.0%} to"
    assert f"{said} {high:.0%}" in words
    assert words.index(said) < words.index(backtest_headline(made))
    lost = _verdict(result(**{OURS: 1.2, "good": 1.1}))
    assert "their totals are worse than the good by" in lost
    assert "not shown to beat the same" in _verdict(result(**{OURS: 1.2, "same": 1.2}))


def _verdict(made: BacktestResult) -> str:
    return verdict_in_words(made, made.compare())


def test_losses_come_first(words: str, made: BacktestResult) -> None:
    assert words.index("Where we are not better") < words.index("Beside every baseline")
    row = made.compare().loc["good"]
    interval = f"interval {-row['high']:.3f} to {-row['low']:.3f}"
    assert f"good is better on total WAPE, by {-row['difference']:.3f} (95 % {interval})" in words
    assert "good is better on WQL of the total" in words
    assert "RMSE of the total: good has" in words
    assert f"no difference is shown to {NAME}" in words
    assert "Our mean is 20% too high." in words
    assert "category coffee (good" in words
    assert "Beaten on total WAPE: zeros." in words


def test_where_we_win_it_says_so(tmp_path: Path) -> None:
    winner = result(**{OURS: 1.0, "zeros": 0.0})
    words = " ".join(Page(written(winner, tmp_path)).text.split())
    assert "Where we are not better Nowhere that shows" in words
    # Every total lies above the lowest quantile of this forecaster.
    assert "Our 0.1 quantile is too low: 0% of the totals are up to it." in words
    assert "Our mean" not in words
    assert "Beaten on total WAPE: zeros. Beaten on WQL: zeros." in words
    assert "None: every launch after the first cutoff is scored." in words


def test_every_method_has_its_scores_and_its_verdict(page: Page, made: BacktestResult) -> None:
    compare = made.compare()
    scores = {row[0]: row for row in page.rows if len(row) == 9}
    against = {row[0]: row for row in page.rows if len(row) == 5}
    for method, row in compare.iterrows():
        shown = scores[str(method)]
        assert shown[1:4] == [
            f"{row['wape_total']:.3f}", f"{row['wape_curve']:.3f}", f"{row['rmse_total']:.2f}",
        ]  # fmt: skip
        assert shown[4] == f"{row['bias']:+.0%}"
        assert shown[7:] == [f"{row['coverage_80']:.0%}", f"{row['width_80']:.1f}"]
        if method != OURS:
            verdict = against[str(method)]
            assert verdict[1] == row["verdict"]
            ends = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
            assert verdict[2] == f"{row['difference']:+.3f} {ends}"
            assert verdict[3] == row["wql_verdict"]
    assert OURS not in against


def test_every_group_has_a_row(page: Page, made: BacktestResult) -> None:
    shown = {row[0]: row for row in page.rows if len(row) == 8}
    for what in ("category", "similarity", "level", "cohort"):
        groups = made.by(what)
        for name in groups.index.get_level_values(what).unique():
            label = f"{name:%Y-%m-%d}" if isinstance(name, pd.Timestamp) else str(name)
            ours = groups.loc[(name, OURS)]
            assert shown[label][1:3] == [f"{ours['n_items']:.0f}", f"{ours['wape_total']:.3f}"]
            assert shown[label][4] == "good"
    for age in range(3):
        wape = made.by("age").loc[(age, OURS), "wape"]
        assert shown[str(age)][2] == f"{wape:.3f}"


def test_what_is_left_out_is_listed(page: Page, words: str) -> None:
    assert "1 more cannot be scored" in words
    assert [NAME, "2024-02-05", "<i>why</i>"] in page.rows


def test_without_categories_there_is_no_such_table(made: BacktestResult, tmp_path: Path) -> None:
    items = made.items.assign(category=pd.Series([None] * N, dtype="str"))
    text = Page(written(replace(made, items=items), tmp_path)).text
    assert "By category" not in text
    assert "By cohort" in text


def test_nothing_sold_is_no_number(tmp_path: Path) -> None:
    nothing = result(**{OURS: 1.0, "zeros": 0.0})
    unsold = replace(
        nothing, predictions=nothing.predictions.assign(y=0.0), totals=nothing.totals.assign(y=0.0)
    )
    page = Page(written(unsold, tmp_path))
    assert any(row[0] == "zeros" and row[1] == "n/a" for row in page.rows)
    assert "nan" not in " ".join(page.text.split())


def test_a_failure_leaves_the_page_of_before(
    made: BacktestResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(made, tmp_path)
    monkeypatch.setattr(backtest, "PLOTS", {"pie": None})
    monkeypatch.setattr(backtest, "_FIGURE", {"pie": (1.0, 1.0)})
    with pytest.raises(InputError, match="pie"):
        written(made, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["backtest.html"]
    assert (tmp_path / "backtest.html").read_text(encoding="utf-8") == before


def test_launches_are_drawn_beside_what_came(words: str, made: BacktestResult) -> None:
    best, middle, worst = launch_examples(made)
    totals = made.totals[made.totals["method"] == OURS]
    error = (totals["0.5"] - totals["y"]).abs() / totals[["0.5", "y"]].max(axis=1)
    for one, wanted in ((best, error.min()), (middle, None), (worst, error.max())):
        assert one.words in words
        row = totals[totals["unique_id"] == one.name].iloc[0]
        found = abs(row["0.5"] - row["y"]) / max(row["0.5"], row["y"])
        assert wanted is None or found == pytest.approx(wanted)
        assert f"{row['y']:,.0f} came" in one.words
    assert launch_examples(replace(made, totals=made.totals.assign(y=0.0, **{"0.5": 0.0}))) == []


def test_every_category_is_there_however_few_launches_it_has(
    page: Page, made: BacktestResult
) -> None:
    names = [row["name"] for row in all_categories(made)]
    assert names == [NAME, "coffee", "rare"]  # ties by name
    assert sum(row["n"] for row in all_categories(made)) == 60
    assert any(row[:2] == ["rare", "10"] for row in page.rows)


def test_it_says_which_method_answered_at_each_cutoff(made: BacktestResult, tmp_path: Path) -> None:
    assert methods_in_words(made) == ""
    days = pd.to_datetime(["2024-01-01", "2024-02-05"])
    told = {"cutoff": days, "method": ["knn", "lightgbm"], "finished": [12, 120]}
    mixed = replace(made, methods=pd.DataFrame(told))
    said = methods_in_words(mixed)
    assert said.startswith("Not every cutoff was answered by the same method: at 2024-01-01 (12)")
    page = " ".join(Page(written(mixed, tmp_path)).text.split())
    assert page.index(said) < page.index("Where we are not better")
    same = pd.DataFrame({**told, "method": "lightgbm"})
    assert "by the same method" in methods_in_words(replace(made, methods=same))

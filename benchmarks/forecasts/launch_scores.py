"""Tables and goals: how launches were forecast, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.labels.score_table import over_seeds
from forecasting.evaluation.backtest import FORECASTER, BacktestResult
from forecasting.evaluation.comparison import NO_DIFFERENCE
from forecasting.evaluation.metrics import calibration
from forecasting.evaluation.slices import THIRDS, by_level

PLAIN = "LightGBM without neighbors"
ALL = "all launches"
TARGET = (0.75, 0.85)
SLACK = 0.025  # half of what TARGET allows, for each end of the interval
LARGEST_BIAS = 0.10
LARGEST_RATIO = 0.95

_KEYS = ["unique_id", "cutoff"]
# Column of `compare()` → title, factor, digits.
_COLUMNS = {
    "wape_total": ("WAPE total", 1, 3),
    "wape_curve": ("WAPE curve", 1, 3),
    "rmse_total": ("RMSE total", 1, 2),
    "bias": ("bias %", 100, 1),
    "wql": ("WQL", 1, 3),
    "wql_curve": ("WQL curve", 1, 3),
    "coverage_80": ("80 % holds %", 100, 1),
    "width_80": ("its width", 1, 1),
}


def comparison_table(compared: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return what `BacktestResult.compare` says, for reading.

    Args:
        compared: One for each seed. Over several seeds scores are mean ± standard deviation, a
            difference is the mean with the widest interval of all seeds, and a verdict stands
            where all seeds agree.
    """
    rows: dict[str, dict[str, str]] = {}
    for method in compared[0].index:
        own = pd.DataFrame([one.loc[method] for one in compared])
        rows[method] = {
            title: over_seeds([factor * float(value) for value in own[column]], digits)
            for column, (title, factor, digits) in _COLUMNS.items()
            if column in own
        }
        if own["verdict"].notna().all():
            rows[method]["WAPE minus ours"] = _difference(own, "")
            rows[method]["WQL minus ours"] = _difference(own, "wql_")
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def calibration_table(results: Sequence[BacktestResult]) -> pd.DataFrame:
    """How often our total lay within the interval, and under each quantile, by thirds of the level.

    Mean over seeds, in percent. A total equal to a quantile is in "up to" and not in "below"; a
    quantile that means what it says has its level between the two.
    """
    return (100 * _calibrations(results)).round(1).rename_axis("thirds of what was forecast")


def ratios(compared: Sequence[pd.DataFrame]) -> str:
    """Our WAPE and WQL over those of our model without neighbors."""
    parts = [
        f"{title} {over_seeds(_ratios(compared, column), 3)}"
        for column, title in (("wape_total", "WAPE total"), ("wql", "WQL"))
    ]
    return f"ours over {PLAIN}: {', '.join(parts)}"


def goals(results: Sequence[BacktestResult], compared: Sequence[pd.DataFrame]) -> list[str]:
    """Return a line for each goal: met or not, and by how much."""
    return [
        *_below_every_baseline(compared),
        *_shown(compared),
        _unbiased(compared),
        *_covering(results),
        _better_by_neighbors(compared),
    ]


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table."""
    print(f"\n{title}\n{table.to_string()}", flush=True)


def frame(rows: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return a row for each name, empty where there is nothing to say."""
    return pd.DataFrame.from_dict(dict(rows), orient="index").fillna("")


def _difference(own: pd.DataFrame, prefix: str) -> str:
    low, high = own[f"{prefix}low"].min(), own[f"{prefix}high"].max()
    verdicts = own[f"{prefix}verdict"].unique()
    verdict = verdicts[0] if len(verdicts) == 1 else NO_DIFFERENCE
    return f"{own[f'{prefix}difference'].mean():+.3f} [{low:+.3f}, {high:+.3f}] {verdict}"


def _calibrations(results: Sequence[BacktestResult]) -> pd.DataFrame:
    """Index all launches and thirds; coverage and shares below and up to each quantile."""
    tables = [_calibration_by_third(result) for result in results]
    mean: pd.DataFrame = sum(tables[1:], tables[0]) / len(tables)
    return mean


def _calibration_by_third(result: BacktestResult) -> pd.DataFrame:
    third = by_level(result.items)
    rows = {}
    for name in (ALL, *THIRDS):
        chosen = result.items if name == ALL else result.items[third == name]
        totals = result.totals[result.totals["method"] == FORECASTER].merge(chosen[_KEYS])
        low, high = f"{result.quantiles[0]:g}", f"{result.quantiles[-1]:g}"
        row = {"80 % holds": totals["y"].between(totals[low], totals[high]).mean()}
        shares = calibration(totals, result.quantiles).loc[FORECASTER]
        for level, share in shares.iterrows():
            row |= {f"{level:g} below": share["below"], f"{level:g} up to": share["up_to"]}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _line(met: bool, goal: str, found: str) -> str:
    return f"  {'met    ' if met else 'NOT met'}  {goal}: {found}"


def _below_every_baseline(compared: Sequence[pd.DataFrame]) -> list[str]:
    lines = []
    for column in ("wape_total", "rmse_total", "wql"):
        mean = pd.DataFrame([one[column] for one in compared]).mean()
        others = mean.drop(FORECASTER)
        lines.append(
            _line(
                mean[FORECASTER] < others.min(),
                f"{_COLUMNS[column][0]} below every baseline",
                f"{mean[FORECASTER]:.3f}, the best of them {others.min():.3f} ({others.idxmin()})",
            )
        )
    return lines


def _shown(compared: Sequence[pd.DataFrame]) -> list[str]:
    lines = []
    for column, title in (("low", "WAPE"), ("wql_low", "WQL")):
        lowest = pd.DataFrame([one[column].drop(FORECASTER) for one in compared]).min()
        open_ = [method for method, low in lowest.items() if not low > 0]
        found = f"not for {', '.join(open_)}" if open_ else "for every baseline and seed"
        lines.append(_line(not open_, f"intervals of the {title}'s difference exclude 0", found))
    return lines


def _unbiased(compared: Sequence[pd.DataFrame]) -> str:
    bias = [float(one.loc[FORECASTER, "bias"]) for one in compared]
    return _line(
        max(map(abs, bias)) <= LARGEST_BIAS,
        f"bias of the mean within {LARGEST_BIAS:.0%}, every seed",
        ", ".join(f"{one:+.1%}" for one in bias),
    )


def _covering(results: Sequence[BacktestResult]) -> list[str]:
    shares = _calibrations(results)
    held = shares["80 % holds"]
    levels = [f"{level:g}" for level in results[0].quantiles]
    missed = [
        f"{level} in {name}"
        for name, row in shares.iterrows()
        for level in levels
        if not row[f"{level} below"] - SLACK <= float(level) <= row[f"{level} up to"] + SLACK
    ]
    return [
        _line(
            bool(held.between(*TARGET).all()),
            f"80 % interval holds {TARGET[0]:.0%} to {TARGET[1]:.0%}, overall and in each third",
            ", ".join(f"{share:.1%} ({name})" for name, share in held.items()),
        ),
        _line(
            not missed,
            f"ties apart: each quantile's level within {100 * SLACK:g} points of its shares below "
            "and up to",
            f"not {', '.join(missed)}" if missed else "overall and in each third",
        ),
    ]


def _better_by_neighbors(compared: Sequence[pd.DataFrame]) -> str:
    found = _ratios(compared, "wape_total")
    return _line(
        sum(found) / len(found) <= LARGEST_RATIO,
        f"WAPE total at most {LARGEST_RATIO} of {PLAIN}",
        over_seeds(found, 3),
    )


def _ratios(compared: Sequence[pd.DataFrame], column: str) -> list[float]:
    return [float(one.loc[FORECASTER, column] / one.loc[PLAIN, column]) for one in compared]

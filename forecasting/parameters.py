"""The parameters of a forecaster: their defaults, their groups, and what was in no group before.

`DEFAULTS` here, and the groups in `forecasting.data.columns` and `forecasting.models.options`, are
the one place that says what a parameter is called, may be and is by default. Whoever only reads
settings needs this module, and not LightGBM.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, ParamSpec, get_args

from forecasting.checks import check_choice, check_levels, check_whole
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.pools import ConceptUse, Similarity
from forecasting.models.options import Method, ModelOptions
from retrieval import InputError


@dataclass(frozen=True)
class Defaults:
    """What the parameters of `LaunchForecaster` that settings have, too, are by default."""

    freq: str = "W-MON"
    horizon: int = 12
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    method: Method = "auto"
    k: int = 50
    similarity: Similarity = "text"
    concepts: ConceptUse = False
    seed: int = 0
    n_jobs: int | None = None


DEFAULTS = Defaults()

GROUPS: dict[str, type[Columns | SalesRules | ModelOptions]] = {
    "columns": Columns,
    "sales": SalesRules,
    "options": ModelOptions,
}

# Each of these was a parameter of the forecaster itself before there were groups.
_GROUP_OF = {field.name: group for group, kind in GROUPS.items() for field in fields(kind)}

_Parameters = ParamSpec("_Parameters")


def refusing_strangers(init: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """Make a constructor say of a name it does not know which one is meant."""
    known = list(inspect.signature(init).parameters)[1:]  # without self

    @wraps(init)
    def checked(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        refuse_former(kwargs)
        for name in kwargs.keys() - known:
            raise TypeError(_unexpected(init.__qualname__, name, known))
        init(*args, **kwargs)

    return checked


def refuse_former(given: Mapping[str, Any]) -> None:
    """Refuse parameters that are in a group by now.

    Raises:
        InputError: There are some; the message says how to write them.
    """
    groups: dict[str, list[str]] = {}
    for name in given:
        if name in _GROUP_OF:
            groups.setdefault(_GROUP_OF[name], []).append(name)
    if not groups:
        return
    moved = [f"{name} is now {_in_group(name)}" for names in groups.values() for name in names]
    written = [
        f"{group}={GROUPS[group].__name__}({_written(names, given)})"
        for group, names in groups.items()
    ]
    raise InputError(f"{'; '.join(moved)}: LaunchForecaster({', '.join(written)})")


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that cannot be right on their own.

    Raises:
        InputError: One cannot; the message says what it has to be.
    """
    check_levels(parameters["quantiles"])
    check_whole("horizon", parameters["horizon"], 1)
    check_whole("k", parameters["k"], 1)
    check_choice("method", parameters["method"], get_args(Method))
    check_choice("similarity", parameters["similarity"], get_args(Similarity))
    if parameters["concepts"] not in (True, False, "auto"):
        raise InputError(f"concepts must be True, False or 'auto', got {parameters['concepts']!r}")
    check_groups(**{name: parameters[name] for name in GROUPS})


def check_together(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters, each right on its own, that cannot be together.

    Raises:
        InputError: Some cannot; the message says which.
    """
    known = [*parameters["attributes"], *parameters["columns"].covariates]
    for name in parameters["options"].monotone:
        if name not in known:
            there = ", ".join(known) or "none"
            raise InputError(f"monotone: no attribute or covariate {name!r}; there are: {there}")
    index, encoder = parameters["index"], parameters["encoder"]
    if index is not None and encoder not in (None, index.encoder):
        raise InputError("index and encoder are both given; an index brings its own encoder")


def check_groups(**groups: object) -> None:
    """Refuse a group that is something else.

    Raises:
        InputError: One is; the message says what it has to be.
    """
    for name, value in groups.items():
        if not isinstance(value, GROUPS[name]):
            kind, found = GROUPS[name].__name__, type(value).__name__
            raise InputError(f"{name} must be {kind}(...), got a {found}")


def _written(names: Iterable[str], given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_quoted(given[name])}" for name in names)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _in_group(name: str) -> str:
    return f"{GROUPS[_GROUP_OF[name]].__name__}({name}=...)"


def _unexpected(where: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, [*known, *_GROUP_OF], n=3)
    hints = [f"{_GROUP_OF[one]}={_in_group(one)}" if one in _GROUP_OF else one for one in near]
    hint = f"did you mean {' or '.join(hints)}?" if hints else f"there are: {', '.join(known)}"
    return f"{where}() got an unexpected keyword argument {name!r}; {hint}"

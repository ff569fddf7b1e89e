import inspect
from dataclasses import fields

import pytest

from forecasting import Columns, LaunchForecaster, ModelOptions, SalesRules
from forecasting.parameters import GROUPS
from retrieval import InputError

GROUPED = [(group, kind, one.name) for group, kind in GROUPS.items() for one in fields(kind)]


def test_there_are_few() -> None:
    own = inspect.signature(LaunchForecaster).parameters
    assert len(own) == 18
    assert {name: type(own[name].default) for name in GROUPS} == GROUPS
    assert not {name for _, _, name in GROUPED} & set(own)
    assert sorted(own) == sorted(LaunchForecaster().get_params())


@pytest.mark.parametrize(("group", "kind", "name"), GROUPED)
def test_a_former_name_says_the_new_one(group: str, kind: type, name: str) -> None:
    value = getattr(kind(), name)
    with pytest.raises(InputError) as caught:
        LaunchForecaster(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is now {kind.__name__}({name}=...): LaunchForecaster(")
    # What it says to write can be written.
    names = {one.__name__: one for one in (LaunchForecaster, Columns, SalesRules, ModelOptions)}
    written = eval(message.split(": ", 1)[1], names)
    assert getattr(getattr(written, group), name) == value
    with pytest.raises(InputError, match=rf"^{name} is now {kind.__name__}"):
        LaunchForecaster().set_params(**{name: value})


def test_former_names_are_told_together() -> None:
    with pytest.raises(InputError) as caught:
        LaunchForecaster(in_stock="ok", horizon=3, returns="net", id_col="sku")  # type: ignore[call-arg]
    assert str(caught.value) == (
        "in_stock is now Columns(in_stock=...); id_col is now Columns(id_col=...); returns is now "
        'SalesRules(returns=...): LaunchForecaster(columns=Columns(in_stock="ok", id_col="sku"), '
        'sales=SalesRules(returns="net"))'
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("quantile", r"did you mean quantiles\?"),
        ("instock", r"did you mean columns=Columns\(in_stock=\.\.\.\)\?"),
        ("zzz", "there are: index, encoder, freq, horizon, "),
    ],
)
def test_an_unknown_name_gets_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'; {hint}"):
        LaunchForecaster(**{name: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}'"):
        LaunchForecaster().set_params(**{name: 1})

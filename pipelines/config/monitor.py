"""The section ``monitor`` of the settings: what is watched after a run, and what alarms."""

from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from pipelines.config.tables import Section


def _none(value: object) -> object:
    return None if value == "none" else value


_Share = Annotated[Annotated[float, Field(gt=0, lt=1)] | None, BeforeValidator(_none)]
_Size = Annotated[PositiveFloat | None, BeforeValidator(_none)]
_Number = Annotated[PositiveInt | None, BeforeValidator(_none)]


class MonitorSettings(Section):
    """Thresholds, each "none" to watch without an alarm, and how much it takes to cross one.

    `unknown_share` and `wape` are limits of their own; what is compared (with the last run, with
    the baseline, with no bias, with the interval's level) must also be more than chance would do
    once in ``1 / chance`` times. Fewer items than `min_items`, or launches than `min_launches`,
    never alarm. `ages`: hold the first so many periods of a launch against the sales, instead of
    the total over the whole horizon. `window`: only launches that matured in the last so many
    periods count. `keep`: label profiles kept for comparison.
    """

    unknown_share: _Share = 0.3
    unknown_rise: _Share = 0.1
    novelty_psi: _Size = 0.25
    label_shift: _Share = 0.2
    wape: _Size = None
    wape_ratio: _Size = 1.0
    bias: _Size = 0.3
    coverage_gap: _Share = 0.15
    chance: Annotated[float, Field(ge=0.001, lt=1)] = 0.01
    min_items: PositiveInt = 50
    min_launches: PositiveInt = 30
    ages: _Number = None
    window: PositiveInt = 26
    keep: Annotated[int, Field(ge=2)] = 52

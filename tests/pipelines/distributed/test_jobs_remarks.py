"""What Ray's workers were told reaches whoever asked."""

import pytest

from forecasting import ForecastWarning
from pipelines.distributed.jobs import tell_of_blocks


def test_what_workers_were_told_is_told_with_the_rows_it_is_about() -> None:
    with pytest.warns(ForecastWarning) as caught:
        tell_of_blocks([["few"], ["few", "no plan"], ["few"]], 1000)
    said = [str(one.message) for one in caught]
    assert said == ["few", "rows 1,001 to 2,000: no plan"]

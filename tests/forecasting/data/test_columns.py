import pytest

from forecasting import SalesRules
from retrieval import InputError


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"returns": "keep"}, "unknown returns 'keep'; there are: refuse, net, drop"),
        ({"repeats": "drop"}, "unknown repeats 'drop'; there are: refuse, sum"),
        ({"before_launch": "x"}, "unknown before_launch 'x'; there are: refuse, drop"),
    ],
)
def test_a_rule_that_there_is_not(rule: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SalesRules(**rule)  # type: ignore[arg-type]

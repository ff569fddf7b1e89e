import pytest

from forecasting import ModelOptions
from retrieval import InputError


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"max_lead": -1}, "max_lead must be a whole number of at least 0, got -1"),
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"temperature": None}, "temperature must be above 0, got None"),
        ({"recency": -1.0}, "recency must be above 0"),
        ({"courses": "cosine"}, "unknown courses 'cosine'; there are: learned, text"),
        ({"pools": ["launch", "cousin"]}, "pools: unknown cousin; there are: incumbent, launch"),
    ],
)
def test_an_option_that_cannot_be_right(option: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelOptions(**option)  # type: ignore[arg-type]

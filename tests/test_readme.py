"""What the README shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
# What the last lines print, in order.
EXPECTED = [
    r"dairy .*snacks .*\['dairy' 'snacks'\]",
    r"cutoff .*analogue .*LaunchForecaster .*LightGBM without neighbors",
    r" (a|c) .* (a|c) ",  # and not b, which is from the future
]


@pytest.mark.parametrize(("example", "expected"), list(zip(EXAMPLES, EXPECTED, strict=True)))
def test_examples_run(example: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert re.search(expected, printed, flags=re.DOTALL), printed
    assert " b " not in printed


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target

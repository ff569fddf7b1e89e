"""What the README and the guide show works as shown."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("retrieval", "classifiers", "forecasting", "pipelines", "serving")
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
DOCS = sorted((ROOT / "docs").rglob("*.md"))
GUIDE = (ROOT / "docs" / "classification.md").read_text(encoding="utf-8")
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


def test_the_guide_to_labels_runs_and_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    exec(compile("\n".join(blocks), "classification.md", "exec"), {"__name__": "guide"})
    printed = capsys.readouterr().out
    accuracies = [float(line) for line in re.findall(r"^(0\.\d\d)$", printed, flags=re.MULTILINE)]
    said = [float(one) for one in re.findall(r"# (0\.\d\d)$", GUIDE, flags=re.MULTILINE)]
    assert len(said) == 4
    assert accuracies == pytest.approx(said, abs=0.02)
    assert printed.count(" False\n") == 2
    assert "['HOUSEHOLD']" in printed
    assert "'head': None" in printed
    assert re.search(r"0 +7 .*\n1 +31 ", printed)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        *(path.relative_to(ROOT).as_posix() for path in DOCS),
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("package", ["retrieval", "classifiers", "forecasting"])
def test_the_reference_has_every_public_name(package: str) -> None:
    page = (ROOT / "docs" / "reference" / f"{package}.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: ([\w.]+)$", page, flags=re.MULTILINE)
    assert sorted(named) == sorted(
        f"{package}.{name}" for name in importlib.import_module(package).__all__
    )


def test_contributing_names_places_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./]+/(?:\w+\.\w+)?)`", text)
    assert len(named) > 30
    # A room in the table stands beside its package.
    rooms = {path.name for package in PACKAGES for path in (ROOT / package).iterdir()}
    assert [one for one in named if not (ROOT / one).exists() and one[:-1] not in rooms] == []

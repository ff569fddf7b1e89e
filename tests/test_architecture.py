"""What holds for the code as a whole: layers, public names, dependencies, what must not appear."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

# The public face. A change here changes the contract: docs and CHANGELOG go with it.
PUBLIC_NAMES = {
    "retrieval": {
        "ArtifactError",
        "Between",
        "Encoder",
        "EncoderMismatchError",
        "IndexReplacedError",
        "InputError",
        "ItemIndex",
        "LikewiseError",
        "Neighbors",
        "StoreError",
        "StoreLockedError",
        "StoreUnavailableError",
        "StoredItems",
        "TableError",
        "UpsertCounts",
    },
    "classifiers": {
        "LabelSpellingWarning",
        "LabelTree",
        "NeighborClassifier",
        "label_issues",
        "normalize_labels",
    },
    "forecasting": {
        "Adjustments",
        "BacktestResult",
        "Columns",
        "FewLaunchesWarning",
        "LaunchForecaster",
        "ModelOptions",
        "SalesRules",
        "backtest",
        "plot_analogues",
        "plot_forecast",
        "plot_importance",
    },
    "pipelines": set(),
    "serving": set(),
}


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imported_names() -> Iterator[tuple[Path, str]]:
    """Every module that our packages import, by its full dotted name."""
    for path, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                yield path, node.module or ""


def test_layers_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_installed_and_typed() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/py.typed")}
    assert folders == set(PACKAGES) == set(PUBLIC_NAMES)


@pytest.mark.parametrize("package", sorted(PUBLIC_NAMES))
def test_public_names_are_pinned(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == PUBLIC_NAMES[package]
    assert all(hasattr(module, name) for name in module.__all__)
    assert module.__doc__


def test_every_third_party_import_is_a_declared_dependency() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"]]
    required += [line for extra, lines in extras.items() if extra != "dev" for line in lines]
    declared = {_normalized(re.split(r"[\[<>=!~; ]", line)[0]) for line in required}
    providers = importlib.metadata.packages_distributions()
    undeclared = set()
    for path, name in _imported_names():
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in PACKAGES:
            continue
        if not declared & {_normalized(each) for each in providers.get(top, [top])}:
            undeclared.add(f"{path.relative_to(ROOT)} imports {top}")
    assert not undeclared


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_no_module_unpickles() -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in _imported_names()
        if name.split(".")[0] in unsafe
    ]
    assert not found
    text = "\n".join(path.read_text(encoding="utf-8") for path, _ in _modules())
    assert "allow_pickle=True" not in text
    assert "read_pickle" not in text


# A path into one person's or one machine's file system.
_MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|Users|mnt|opt|srv)/\w|\b[A-Z]:\\\\")


@pytest.mark.parametrize(
    ("line", "is_machine_path"),
    [
        ('DATA = "/home/ana/items.csv"', True),
        ('open("/root/x")', True),
        ('"C:\\\\Users\\\\ana"', True),
        ('"http://example.org/home/items"', False),
        ('@app.post("/v1/forecast")', False),
        ('"shares/work/items"', False),
    ],
)
def test_the_machine_path_rule_knows_a_machine_path(line: str, is_machine_path: bool) -> None:
    assert bool(_MACHINE_PATH.search(line)) is is_machine_path


def test_no_line_names_a_machine_path() -> None:
    folders = [*PACKAGES, "configs", "benchmarks", "examples"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        if path.suffix in {".py", ".yaml", ".yml", ".ipynb", ".md", ".toml"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if _MACHINE_PATH.search(line)
    ]
    assert not found


def test_constraints_pin_every_package_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.\-]+==[\w.]+", line) for line in pins)
    pinned = {_normalized(line.split("==")[0]) for line in pins}
    project = PROJECT["project"]
    wanted = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {_normalized(re.split(r"[\[<>=!~; ]", line)[0]) for line in wanted}
    assert names | {"pip"} <= pinned

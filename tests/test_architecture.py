"""What holds for the code as a whole: floor plan, public names, dependencies, what is banned."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

# As many as a person takes in at a glance; __init__ and conftest are not counted.
MOST_MODULES = 12

# The public face. A change here changes the contract: docs and CHANGELOG go with it.
PUBLIC_NAMES = {
    "retrieval": {
        "ArtifactError",
        "Between",
        "Budget",
        "CacheWarning",
        "ConceptGraph",
        "Distillation",
        "Encoder",
        "EncoderMismatchError",
        "Endpoint",
        "EndpointError",
        "IndexReplacedError",
        "InputError",
        "ItemIndex",
        "LabelsMoveError",
        "LanguageModel",
        "LanguageModelError",
        "LanguagePreference",
        "LikewiseError",
        "Neighbors",
        "Price",
        "PromptStore",
        "PromptTemplate",
        "Rung",
        "Quantization",
        "StoreError",
        "StoreLockedError",
        "StoreUnavailableError",
        "StoredItems",
        "TableError",
        "TuneReport",
        "UnreadTextWarning",
        "UpsertCounts",
        "tune",
        "detect_languages",
        "distill",
        "language_preference",
        "neutralize_languages",
        "quantize",
        "Fusion",
        "weigh_pictures",
        "PictureSources",
        "read_pictures",
    },
    "classifiers": {
        "LabelSpellingWarning",
        "LabelTree",
        "LanguageVerdict",
        "NeighborClassifier",
        "ask_language_model",
        "judge_language_model",
        "label_issues",
        "normalize_labels",
    },
    "forecasting": {
        "Adjustments",
        "BacktestResult",
        "Cannibalization",
        "Columns",
        "FewLaunchesWarning",
        "ForecastWarning",
        "LaunchForecaster",
        "ModelOptions",
        "SalesRules",
        "backtest",
        "past_demand",
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


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import among our modules, those inside functions too, those for types alone not."""
    first, *others = PACKAGES
    return grimp.build_graph(first, *others, exclude_type_checking_imports=True, cache_dir=None)


def test_layers_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_folder_is_crowded() -> None:
    sizes = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for folder in (*PACKAGES, "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.stem not in {"__init__", "conftest"}
    )
    assert not {folder: size for folder, size in sizes.items() if size > MOST_MODULES}


def test_no_files_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    imported = {name: imports.find_modules_directly_imported_by(name) for name in imports.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " <- ".join(error.args[1]))


def test_packages_meet_at_their_faces_only(imports: grimp.ImportGraph) -> None:
    past = [
        f"{importer} imports {imported}"
        for importer in imports.modules
        for imported in imports.find_modules_directly_imported_by(importer)
        if _package(importer) != _package(imported) and imported not in PACKAGES
    ]
    assert not past


def _package(name: str) -> str:
    return name.split(".")[0]


def test_private_names_stay_in_their_package() -> None:
    owners: dict[str, set[str]] = {}
    uses: set[tuple[str, str]] = set()
    for path, tree in _modules():
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            uses |= {(file, name) for name in _private(_used(node))}
            for name in _private(_defined(node)):
                owners.setdefault(name, set()).add(file.split("/")[0])
    # A name that no package defines is a third party's.
    foreign = [
        f"{file} uses {name}"
        for file, name in sorted(uses)
        if name in owners and file.split("/")[0] not in owners[name]
    ]
    assert not foreign


# Public in spite of their underscore.
_OF_TUPLES = {"_asdict", "_fields", "_make", "_replace"}


def _private(names: list[str]) -> list[str]:
    return [name for name in names if re.fullmatch(r"_[^_]\w*", name) and name not in _OF_TUPLES]


def _defined(node: ast.AST) -> list[str]:
    """Names that a statement gives: functions, classes, variables, attributes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr] if isinstance(node.value, ast.Name) and node.value.id == "self" else []
    return []


def _used(node: ast.AST) -> list[str]:
    """Names that are taken from another module or from an object."""
    if isinstance(node, ast.ImportFrom):
        return [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    return [node.attr] if isinstance(node, ast.Attribute) else []


def test_no_package_is_imported_by_its_name_in_a_string() -> None:
    """An import by string is one that no linter sees; a package may so put off its own modules."""
    strings = []
    for path, tree in _modules():
        if not any(_imports_by_string(node) for node in ast.walk(tree)):
            continue
        others = set(PACKAGES) - {path.relative_to(ROOT).parts[0]}
        strings += [
            f"{path.relative_to(ROOT)}:{node.lineno} names {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and _package(str(node.value)) in others
        ]
    assert not strings


def _imports_by_string(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    called = node.func.id if isinstance(node.func, ast.Name) else called
    return called in {"import_module", "__import__", "exec_module", "resolve_name", "run_module"}


def test_tests_mirror_the_packages() -> None:
    """test_x.py, or test_x_aspect.py, tests x.py; what spans modules is in tests/behavior."""
    strangers = []
    for path in (test for name in PACKAGES for test in (ROOT / "tests" / name).rglob("test_*.py")):
        tested = path.relative_to(ROOT / "tests").parent
        modules = {module.stem for module in (ROOT / tested).glob("*.py")}
        name = path.stem.removeprefix("test_")
        if not any(name == module or name.startswith(f"{module}_") for module in modules):
            strangers.append(path.relative_to(ROOT).as_posix())
    assert not strangers
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {*PACKAGES, "behavior", "deploy"}


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

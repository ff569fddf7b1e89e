"""The ready-made schedules: what they call exists, and each does what it says.

Prefect and Airflow are no dependencies: PREFECT_PYTHON and AIRFLOW_PYTHON name a Python that has
one, and then its schedule is run, too.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.jobs.locks import locked
from serving.command_line import app

ROOT = Path(__file__).parents[2]
SCHEDULES = ROOT / "deploy" / "schedules"
HERE = Path(__file__).parent
LIKEWISE = Path(sys.executable).with_name("likewise")
RUN = "run --config job.yaml --out results"
MONITOR = "monitor results --config job.yaml --out monitor.json"
JOB = """\
items:
  path: items.parquet
  text: [product_type, brand]
  label: department
new_items:
  path: new.parquet
index:
  uri: items.db
run:
  steps: [index, classify]
monitor:
  min_items: 1
  unknown_share: 0.01
"""


def text_of(name: str) -> str:
    return (SCHEDULES / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(products: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job with groceries that are labeled, and a drugstore's new items, which alarm."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "likewise"
    folder.mkdir()
    (folder / "job.yaml").write_text(JOB)
    shutil.copy(SCHEDULES / "run_and_monitor.sh", folder)
    is_strange = products["department"] == "DRUG GM"
    products[~is_strange].to_parquet(folder / "items.parquet", index=False)
    products[is_strange].head(40).to_parquet(folder / "new.parquet", index=False)
    counted = folder / "counted"  # notes each call, so that attempts can be counted
    counted.write_text(f'#!/bin/sh\necho "$1" >>attempts\nexec {shlex.quote(str(LIKEWISE))} "$@"\n')
    counted.chmod(0o755)
    return folder


@pytest.fixture
def job(folder: Path, tmp_path: Path) -> Path:
    """A copy of it in a home of its own, to be changed; what was run there is done."""
    return Path(shutil.copytree(folder, tmp_path / "likewise"))


def without_alarm(job: Path) -> None:
    path = job / "job.yaml"
    path.write_text(path.read_text().replace("unknown_share: 0.01", "unknown_share: none"))


def attempts(job: Path) -> list[str]:
    return (job / "attempts").read_text().split()


# --- what they call ----------------------------------------------------------------------------


def command_lines(name: str) -> list[str]:
    """The command lines of likewise in a schedule, without the name of the command."""
    if name.endswith(".py"):
        tree = ast.parse(text_of(name))
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if node.targets[0].id in {"RUN", "MONITOR"}
        }
        used = {
            argument.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for argument in node.args
            if isinstance(argument, ast.Name)
        }
        return [" ".join(values[each]) for each in ("RUN", "MONITOR") if each in used]
    return re.findall(r"likewise ((?:run|monitor) .*--.*?)(?: &&)?$", text_of(name), re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["run_and_monitor.sh", "likewise-run.service", "prefect_flow.py", "airflow_dag.py"]
)
def test_every_schedule_runs_and_then_monitors(name: str) -> None:
    assert command_lines(name) == [RUN, MONITOR]
    if name.endswith(".py"):
        compile(text_of(name), name, "exec")


@pytest.mark.parametrize("line", [RUN, MONITOR])
def test_the_command_line_takes_what_they_give(line: str) -> None:
    # Help is shown once all that was given is understood.
    assert CliRunner().invoke(app, [*line.split(), "--help"]).exit_code == 0
    assert CliRunner().invoke(app, [*line.split(), "--no-such-option", "--help"]).exit_code == 2


# --- cron --------------------------------------------------------------------------------------


def crontab() -> tuple[dict[str, str], list[str], str]:
    """The variables, the five fields of its one entry, and the command."""
    lines = [line for line in text_of("likewise.crontab").splitlines() if line]
    lines = [line for line in lines if not line.startswith("#")]
    settings = {name: value for name, _, value in (line.partition("=") for line in lines[:-1])}
    *fields, command = lines[-1].split(maxsplit=5)
    return settings, fields, command


def test_the_crontab_parses() -> None:
    settings, fields, command = crontab()
    assert set(settings) == {"SHELL", "PATH", "MAILTO"}
    for field, (low, high) in zip(
        fields, [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)], strict=True
    ):
        assert field == "*" or low <= int(field) <= high
    assert fields == ["30", "5", "*", "*", "1"]
    assert "%" not in command, "cron takes a percent sign for the end of the line"
    assert text_of("likewise.crontab").endswith("\n"), "cron refuses a file without it"


def from_cron(job: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the entry as cron does: by sh, with few variables, in the home of the user."""
    settings, _, command = crontab()
    (job / "bin").mkdir(exist_ok=True)
    shutil.copy(job / "counted", job / "bin" / "likewise")
    environment = {
        "HOME": str(job.parent),
        "PATH": f"{job / 'bin'}:{settings['PATH']}",
        "LIKEWISE_CACHE_DIR": os.environ["LIKEWISE_CACHE_DIR"],
        **variables,
    }
    return subprocess.run(
        [settings["SHELL"], "-c", command],
        cwd=job.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_cron_mails_an_alarm_and_is_quiet_else(folder: Path) -> None:
    alarmed = from_cron(folder)
    assert alarmed.returncode == 3, alarmed.stdout + alarmed.stderr
    assert "alarm share of unknown items is" in alarmed.stdout
    assert (folder / "results" / "labels.parquet").is_file()
    assert (folder / "monitor.json").is_file()
    assert "index     done" in (folder / "run.txt").read_text()
    text = (folder / "job.yaml").read_text()
    without_alarm(folder)
    quiet = from_cron(folder)
    (folder / "job.yaml").write_text(text)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert attempts(folder) == ["run", "monitor"] * 2
    assert "index     unchanged" in (folder / "run.txt").read_text()


def test_cron_tries_again_what_may_go_by(job: Path) -> None:
    with locked(job / "results"):
        refused = from_cron(job, TRIES="2", PAUSE="0")
    assert refused.returncode == 1
    assert "another run is at work here" in refused.stdout
    assert "likewise: exit code 1" in refused.stdout
    assert attempts(job)[-2:] == ["run", "run"]


def test_cron_does_not_try_bad_input_again(job: Path) -> None:
    (job / "job.yaml").write_text(JOB + "nonsense: {}\n")
    before = len(attempts(job)) if (job / "attempts").exists() else 0
    refused = from_cron(job, PAUSE="0")
    assert refused.returncode == 2
    assert "unknown key 'nonsense'" in refused.stdout
    assert len(attempts(job)) == before + 1
    nowhere = subprocess.run(
        ["sh", job / "run_and_monitor.sh", job / "nowhere"], capture_output=True, check=False
    )
    assert nowhere.returncode == 2


# --- systemd -----------------------------------------------------------------------------------


def directives(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text_of(name).splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_service_tells_alarms_from_failures() -> None:
    service, timer = directives("likewise-run.service"), directives("likewise-run.timer")
    assert service["Type"] == ["oneshot"]
    assert service["SuccessExitStatus"] == ["3"]
    assert (service["Restart"], service["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
    assert service["StartLimitBurst"] == ["4"]
    assert timer["OnCalendar"] == ["Mon *-*-* 05:30:00"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    def verify() -> str:
        units = [str(tmp_path / f"likewise-run.{kind}") for kind in ("service", "timer")]
        done = subprocess.run(
            ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr + f"{done.returncode or ''}"

    shutil.copy(SCHEDULES / "likewise-run.timer", tmp_path)
    unit = tmp_path / "likewise-run.service"
    text = text_of(unit.name).replace("/usr/local/bin/likewise", str(LIKEWISE))
    unit.write_text(text)
    assert verify() == ""
    unit.write_text(text.replace("RestartSec", "RestartSeconds"))
    assert "Unknown key" in verify()
    unit.write_text(text.replace("on-failure", "always"))
    assert "isn't allowed for Type=oneshot" in verify()


# --- Prefect and Airflow -----------------------------------------------------------------------


def python_with(module: str, variable: str) -> str:
    """A Python that has a scheduler; skips where there is none."""
    python = os.environ.get(variable, sys.executable)
    asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    if subprocess.run([python, "-c", asked], check=False).returncode:
        pytest.skip(f"{module} is not installed here; {variable} may name a Python that has it")
    return python


def told(command: list[str | Path], **variables: str) -> list[str]:
    """What a driver says of how it went."""
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    kinds = ("state:", "import errors:", "run:", "task:")
    said = [line for line in done.stdout.splitlines() if line.startswith(kinds)]
    assert said, done.stdout + done.stderr
    return said


def test_the_prefect_flow_runs(job: Path) -> None:
    python = python_with("prefect", "PREFECT_PYTHON")
    home = {"PREFECT_HOME": str(job / "prefect"), "DO_NOT_TRACK": "1"}
    command = [python, HERE / "run_prefect_flow.py", SCHEDULES / "prefect_flow.py"]
    command += [job, job / "counted"]
    (job / "attempts").unlink(missing_ok=True)
    assert told(command, **home) == ["state: COMPLETED Alarm"]
    assert attempts(job) == ["run", "monitor"]
    without_alarm(job)
    assert told(command, **home) == ["state: COMPLETED Completed"]
    (job / "attempts").unlink()
    with locked(job / "results"):
        assert told(command, **home) == ["state: FAILED Failed"]
    assert attempts(job) == ["run"] * 4
    (job / "attempts").unlink()
    (job / "job.yaml").write_text(JOB + "nonsense: {}\n")
    assert told(command, **home) == ["state: FAILED Failed"]
    assert attempts(job) == ["run"]


def test_the_airflow_dag_runs(job: Path) -> None:
    python = python_with("airflow", "AIRFLOW_PYTHON")
    dags = job / "dags"
    dags.mkdir()
    shutil.copy(SCHEDULES / "airflow_dag.py", dags)
    home = {
        "AIRFLOW_HOME": str(job / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
    }
    for verb in (["db", "migrate"], ["dags", "reserialize"]):
        airflow = [python, "-m", "airflow", *verb]
        subprocess.run(airflow, env={**os.environ, **home}, check=True, capture_output=True)
    command = [python, HERE / "run_airflow_dag.py", dags, job, job / "counted"]

    def states(kind: str) -> list[str]:
        return [f"task: {name} {kind}" for name in ("alarm", "monitor")]

    (job / "attempts").unlink(missing_ok=True)
    fine = ["import errors: {}", "run: success"]
    assert told(command, **home) == [*fine, *states("success"), "task: run success"]
    without_alarm(job)
    quiet = ["task: alarm skipped", "task: monitor success", "task: run success"]
    assert told(command, **home) == [*fine, *quiet]
    assert attempts(job) == ["run", "monitor"] * 2
    failed = ["import errors: {}", "run: failed", *states("upstream_failed"), "task: run failed"]
    (job / "attempts").unlink()
    with locked(job / "results"):
        assert told(command, **home) == failed
    assert attempts(job) == ["run"] * 4
    (job / "attempts").unlink()
    (job / "job.yaml").write_text(JOB + "nonsense: {}\n")
    assert told(command, **home) == failed
    assert attempts(job) == ["run"]

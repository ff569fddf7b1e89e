"""A Prefect flow: likewise run, then likewise monitor, every Monday.

``python prefect_flow.py`` serves it. The job is a folder with ``job.yaml``; likewise may be
installed in another environment than Prefect: `command` is its command.
"""

import subprocess
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.states import Completed, State

RUN = ("run", "--config", "job.yaml", "--out", "results")
MONITOR = ("monitor", "results", "--config", "job.yaml", "--out", "monitor.json")
FAILED, ALARM = 1, 3


def may_go_by(_task: Any, _run: Any, state: State) -> bool:
    """Whether to try again: after exit code 1 (Milvus away, another run at work), not after 2."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, subprocess.CalledProcessError) and error.returncode == FAILED


@task(retries=3, retry_delay_seconds=600, retry_condition_fn=may_go_by)
def likewise(folder: Path, command: str, arguments: tuple[str, ...]) -> int:
    """Run a verb of likewise and return its exit code, where that is 0 or an alarm."""
    done = subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True)
    logger = get_run_logger()
    logger.info(done.stdout)
    if done.returncode not in (0, ALARM):
        logger.error(done.stderr)
        done.check_returncode()
    return done.returncode


@flow(name="likewise")
def run_and_monitor(folder: Path, command: str = "likewise") -> State:
    """All steps of the job, then what has changed since the last time.

    The final state is called Alarm where a threshold is crossed: that is no failure, and an
    automation can be triggered by the name.
    """
    likewise.with_options(name="run")(folder, command, RUN)
    code = likewise.with_options(name="monitor")(folder, command, MONITOR)
    if code == ALARM:
        return Completed(name="Alarm", message="a threshold is crossed: see monitor.json")
    return Completed()


if __name__ == "__main__":
    run_and_monitor.serve(
        name="every Monday", cron="30 5 * * 1", parameters={"folder": "."}, limit=1
    )

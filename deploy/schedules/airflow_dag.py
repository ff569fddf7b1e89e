"""An Airflow DAG (Airflow 3): likewise run, then likewise monitor, every Monday.

Put it into the folder of DAGs. The job is a folder with ``job.yaml``, the parameter `folder`;
likewise may be installed in another environment than Airflow: `command` is its command.
"""

import json
import logging
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

RUN = ("run", "--config", "job.yaml", "--out", "results")
MONITOR = ("monitor", "results", "--config", "job.yaml", "--out", "monitor.json")
FAILED, ALARM = 1, 3

log = logging.getLogger(__name__)


def likewise(params: dict[str, Any], arguments: tuple[str, ...]) -> int:
    """Run a verb of likewise and return its exit code, where that is 0 or an alarm."""
    command = [params["command"], *arguments]
    done = subprocess.run(command, cwd=params["folder"], capture_output=True, text=True)
    log.info(done.stdout)
    if done.returncode in (0, ALARM):
        return done.returncode
    log.error(done.stderr)
    # Exit code 1 (Milvus away, another run at work) is tried again; bad input (2) is not.
    error = AirflowException if done.returncode == FAILED else AirflowFailException
    raise error(f"likewise {arguments[0]}: exit code {done.returncode}")


@dag(
    dag_id="likewise",
    schedule="30 5 * * 1",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=10)},
    params={"folder": ".", "command": "likewise"},
)
def run_and_monitor() -> None:
    """All steps of the job, then what has changed since the last time."""

    @task
    def run(params: dict[str, Any]) -> None:
        likewise(params, RUN)

    @task.short_circuit
    def monitor(params: dict[str, Any]) -> bool:
        return likewise(params, MONITOR) == ALARM

    @task
    def alarm(params: dict[str, Any]) -> list[str]:
        """Reached where a threshold is crossed, which is no failure; notify somebody from here."""
        alerts = json.loads(Path(params["folder"], "monitor.json").read_text())["alerts"]
        for alert in alerts:
            log.warning("alarm: %s", alert)
        return alerts

    run() >> monitor() >> alarm()


run_and_monitor()

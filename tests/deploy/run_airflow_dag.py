"""Parse the Airflow DAG as the scheduler does, and run it without pauses; prints how it ends.

In a process of its own, with the Python that has Airflow, after `airflow db migrate` and `airflow
dags reserialize`: python run_airflow_dag.py DAGS FOLDER COMMAND.
"""

import sys
from datetime import timedelta

from airflow.dag_processing.dagbag import DagBag

dags, folder, command = sys.argv[1:]
bag = DagBag(dag_folder=dags)
print("import errors:", bag.import_errors)
print("dags:", {dag_id: sorted(dag.task_ids) for dag_id, dag in bag.dags.items()})
for task in bag.dags["likewise"].tasks:
    task.retry_delay = timedelta(0)
run = bag.dags["likewise"].test(run_conf={"folder": folder, "command": command})
print("run:", run.state)
for one in sorted(run.get_task_instances(), key=lambda one: one.task_id):
    print("task:", one.task_id, one.state)

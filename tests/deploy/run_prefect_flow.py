"""Run the Prefect flow as it is, with short pauses; prints the name of its final state.

In a process of its own, with the Python that has Prefect: python run_prefect_flow.py FLOW FOLDER
COMMAND.
"""

import runpy
import sys
from pathlib import Path

from prefect.testing.utilities import prefect_test_harness

with prefect_test_harness():
    flow_file, folder, command = sys.argv[1:]
    module = runpy.run_path(flow_file, run_name="flow_under_test")
    flow = module["run_and_monitor"]
    flow.fn.__globals__["likewise"] = module["likewise"].with_options(retry_delay_seconds=0)
    state = flow(Path(folder), command, return_state=True)
    print("state:", state.type.value, state.name)

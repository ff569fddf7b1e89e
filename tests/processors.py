"""Run tests as on other processors, as far as each library can be told, and with other threads.

    python tests/processors.py                  # the whole suite, once a processor
    python tests/processors.py -m digits        # what follows goes to pytest

A library is told what a processor has; what it does on one that nobody here has (AMX, arm64) is not
known until somebody runs the tests there. oneDNN cannot be capped: OpenVINO would go on to choose
bfloat16 by the real processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from numpy._core._multiarray_umath import (
    __cpu_dispatch__ as dispatched,
    __cpu_features__ as features,
)

# Beyond AVX2, as numpy calls it: groups of features (X86_V4) or single ones.
_BEYOND_AVX2 = [one for one in dispatched if features[one] and one.startswith(("X86_V4", "AVX512"))]

# One thread and eight; two, and this processor as it is, are what `make test` itself runs on here.
PROCESSORS = {
    "AVX2, 1 thread": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join(_BEYOND_AVX2),
        "LIKEWISE_PRECISION": "float32",
        "OMP_NUM_THREADS": "1",
    },
    "another x86-64, 8 threads": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Zen",
        "LIKEWISE_PRECISION": "float32",
        "OMP_NUM_THREADS": "8",
    },
}


def main() -> int:
    """Run pytest once a processor; the status is that of the first run that failed."""
    asked = sys.argv[1:]
    results = {name: _run(name, variables, asked) for name, variables in PROCESSORS.items()}
    for name, (status, seconds) in results.items():
        print(f"{'failed' if status else 'passed':8}{seconds:6.0f} s  as on: {name}")
    return next((status for status, _ in results.values() if status), 0)


def _run(name: str, variables: dict[str, str], asked: list[str]) -> tuple[int, float]:
    print(f"== as on: {name}\n   {variables}", flush=True)
    begin = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-n", "auto", "--maxprocesses", "4"]
    done = subprocess.run(
        [*command, "--dist", "loadfile", *asked], env={**os.environ, **variables}, check=False
    )
    return done.returncode, time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())

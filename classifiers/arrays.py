"""Name the arrays that modules hand on by what they hold."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]
Positions = npt.NDArray[np.intp]

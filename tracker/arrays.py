"""Names for the arrays that pass between functions; docstrings give their shapes.

`Image` is H×W×3 BGR, or N×H×W×3 where a docstring says so. `Floats` are
float64, as boxes and results are; `Float32s` what a network takes and gives;
`Ints` int64, as rows of tables and frame numbers are; `Bools` a mask.
"""

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

"""The exceptions of all rooms; whatever is caught as TrackerError is a fault from outside, said in one line.

TrackerError
├── SourceError       video, folder, camera, stream, or a pack of data
├── FrameError        a frame that update cannot take
├── BoxError          a start box that shows nothing
├── BudgetError       a budget string or a budget that cannot be held
├── ModelError        an unknown model name, weights or checkpoint that cannot be used
├── ManifestError     an artefact that is damaged or does not fit
├── OutputError       a result that cannot be written (tracker.outputs)
├── WindowError       no display, or no pygame (tracker.ui.window)
├── RecipeError       a recipe, or an override, that cannot be trained (training.recipe.errors)
├── DivergedError     a loss or gradient that is not finite (training.run.guards)
├── DistributedError  processes that cannot work together (training.distributed.world)
├── TableError        a cell that the NAS table lacks, or no such table (training.nas.benchmark.table)
└── ToolkitError      VOT's toolkit failed (eval.vot.toolkit)

ValueError
└── DamagedError      a JPEG that cannot be decoded; its readers name the file (training.data.jpeg_tiles)
"""


class TrackerError(Exception):
    """A fault that came from outside; the message says what, got, expected, cure."""


class SourceError(TrackerError):
    """A source of frames or data is missing, unreadable or damaged."""


class FrameError(TrackerError):
    """A frame is not H×W×3 uint8, or its size changed midway."""


class BoxError(TrackerError):
    """A box is not finite, has no area, or lies outside the frame."""


class BudgetError(TrackerError):
    """A budget string that the grammar does not know, or that nothing can hold."""


class ModelError(TrackerError):
    """No such model, or weights that cannot be used."""


class ManifestError(TrackerError):
    """An artefact's manifest or files are damaged or do not fit together."""

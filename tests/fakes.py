"""A manifest of round numbers, an engine that answers what a test tells it, and a disk that is full."""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from tracker.engine import StageOutput
from tracker.manifest import DecodeConstants, Geometry, Manifest, StateConstants, Thresholds

GEOMETRY = Geometry(
    template_px=128,
    search_px=256,
    stride=16,
    map_px=16,
    first_cell_px=0.0,
    template_sides=(64, 128),
    stage_sides=(128, None, 256, None),
)


def fake_manifest() -> Manifest:
    return Manifest(
        name="fake",
        tag="test",
        precision="fp32",
        depths=4,
        geometry=GEOMETRY,
        decode=DecodeConstants(window=0.0, penalty=0.0, size_rate=1.0),
        state=StateConstants((0.5,) * 4, (0.25,) * 4, (0.7,) * 4),
        default_tau=(0.5, 0.5, 0.5),
        table=(
            Thresholds((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), 0.4),
            Thresholds((0.5, 0.5, 0.5), (0.5, 0.25, 0.25, 0.0), 0.5),
            Thresholds((1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0), 0.6),
        ),
        stage_seconds=(0.001, 0.001, 0.002, 0.004),
        backbone_seconds=(0.0008, 0.0008, 0.0015),
        stage_macs=(10_000_000, 10_000_000, 20_000_000, 40_000_000),
        backbone_macs=(8_000_000, 8_000_000, 15_000_000),
        files={},
        model={},
        raw={},
    )


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def answer(
    cell: tuple[int, int] = (8, 8), score: float = 0.9, side: float = 2.0, gate: float | None = 0.9
) -> StageOutput:
    """One peak at (row, column), a box of `side` strides on every cell, and a gate's probability."""
    scores = np.full((1, 1, 16, 16), logit(0.01), np.float32)
    scores[0, 0, cell[0], cell[1]] = logit(score)
    return StageOutput(
        score=scores,
        ltrb=np.full((1, 4, 16, 16), side / 2, np.float32),
        statistics=np.zeros((1, 18), np.float32),
        gate=None if gate is None else np.full((1, 1), logit(gate), np.float32),
        carry=np.zeros((1, 1, 16, 16), np.float32),
    )


class FakeEngine:
    """Answers stage k by `script(k)`.

    `calls` lists the stages with the side of the crop they were given, `passed` those without exit.
    """

    depths = 4

    def __init__(self, script: Callable[[int], StageOutput]) -> None:
        self.script = script
        self.calls: list[tuple[int, int | None]] = []
        self.passed: list[tuple[int, int | None]] = []
        self.template_crops: Mapping[int, np.ndarray] = {}

    def template(self, crops):
        self.template_crops = crops
        return [np.full((1, 65, 96), k, np.float32) for k in range(1, 5)]

    def stage(self, k, crop, carry, template):
        assert template[0, 0, 0] == k
        assert (carry is None) == (k == 1)
        self.calls.append((k, None if crop is None else crop.shape[1]))
        output = self.script(k)
        return replace(output, gate=None, carry=None) if k == self.depths else output

    def pass_on(self, k, crop, carry):
        assert (carry is None) == (k == 1)
        self.passed.append((k, None if crop is None else crop.shape[1]))
        return np.zeros((1, 1, 16, 16), np.float32)


class SeeingEngine(FakeEngine):
    """Sees the white pixels of a black frame: a peak on the cell at their middle, a box around them.

    `score` gives what exit k says of a target it sees; gates always stop.
    """

    def __init__(self, score: Callable[[int], float] = lambda k: 0.9) -> None:
        super().__init__(lambda k: self._output)
        self.score = score

    def stage(self, k, crop, carry, template):
        self._see(k, crop)
        return super().stage(k, crop, carry, template)

    def pass_on(self, k, crop, carry):
        self._see(k, crop)
        return super().pass_on(k, crop, carry)

    def _see(self, k, crop):
        """A stage without pixels sees what the one before it saw."""
        if crop is not None:
            rows, columns = np.nonzero(crop[0, :, :, 0] > 127)
            zoom = 16 / crop.shape[1]  # cells a pixel
            self._found = len(rows) > 0
            if self._found:
                self._cell = round(rows.mean() * zoom), round(columns.mean() * zoom)
                self._sides = (np.ptp(columns) + 1) * zoom / 2, (np.ptp(rows) + 1) * zoom / 2
        self._output = answer(score=0.02)
        if self._found:
            self._output = answer(tuple(min(c, 15) for c in self._cell), self.score(k))
            self._output.ltrb[0] = np.reshape(self._sides * 2, (4, 1, 1))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: what a full disk does, as EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

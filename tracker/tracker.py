"""The tracker: init once, update for every frame, as deep as the frame needs."""

import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracker.arrays import Float32s, Image
from tracker.boxes import Box, checked
from tracker.budget import Policy, parse_budget
from tracker.crop import CropPyramid, Window
from tracker.decode import Candidate, Decoder
from tracker.engine import Engine, OrtEngine
from tracker.errors import FrameError, ModelError
from tracker.gates import stops
from tracker.manifest import ALWAYS, NEVER, Manifest, load_manifest
from tracker.redetect import Round, deepest, is_found, shallowest
from tracker.state import LOST, TRACKED, TrackState, verdict_of
from tracker.template import Fill, make_template, mean_colour
from tracker.zoo import find


@dataclass(frozen=True, slots=True)
class Prediction:
    """One frame's answer.

    Attributes:
        box: x, y, w, h in pixels of the frame; while LOST the best guess, with the last believed size.
        score: of the chosen cell, 0 … 1.
        present: False when the target is LOST.
        depth: stages that ran, 1 … D.
        seconds: wall time of the whole update.
        state: TRACKED, UNSURE or LOST.
        macs: multiply-accumulates of the stages that ran.
    """

    box: Box
    score: float
    present: bool
    depth: int
    seconds: float
    state: str
    macs: int = 0


class Tracker:
    """One target in one video. Holds no global state: trackers do not disturb each other."""

    def __init__(self, engine: Engine, manifest: Manifest, budget: str | None = None) -> None:
        self.manifest = manifest
        self._engine = engine
        self._decode = Decoder(manifest.geometry, manifest.decode)
        self._state: TrackState | None = None
        self._round = Round()
        self._fill: Fill = (0, 0, 0)
        self._templates: list[Float32s] = []
        self.budget = budget

    @classmethod
    def load(
        cls,
        name: str | Path = "default",
        threads: int = 1,
        budget: str | None = None,
        engine: str = "onnx",
    ) -> "Tracker":
        """Load a tracker by its name in the zoo (`default`, `depthgate-s`, `depthgate-s.pack`) or its folder.

        Args:
            name: of a model in the zoo, or the path of an artefact folder.
            threads: of the network.
            budget: see tracker.budget; may be changed at any time.
            engine: "onnx", or "torch" (needs the extra `train`).

        Raises:
            ModelError: no model of that name, or no such engine.
            ManifestError: the artefact is damaged.
            BudgetError: the budget is not in the grammar, or cannot be held.
        """
        folder = find(name)
        manifest = load_manifest(folder)
        if engine == "onnx":
            return cls(OrtEngine(folder, manifest, threads), manifest, budget)
        if engine != "torch":
            raise ModelError(f"engine: got {engine!r}, expected onnx or torch")
        try:
            module = importlib.import_module("models.engine")
        except ImportError as error:
            raise ModelError(
                f"engine torch: {error}; install the extra with pip install depthgate[train]"
            ) from error
        return cls(module.open_engine(folder, manifest, threads), manifest, budget)

    @property
    def budget(self) -> str | None:
        """How much a frame may cost; the string that was set."""
        return self._budget

    @budget.setter
    def budget(self, text: str | None) -> None:
        self._policy: Policy = parse_budget(text, self.manifest)
        self._budget = text

    @property
    def depths(self) -> int:
        return self.manifest.depths

    def init(self, frame: Image, box: Box) -> None:
        """Start on the target in `box`, xywh in pixels of `frame` (H×W×3 uint8 BGR).

        Raises:
            FrameError: not such a frame.
            BoxError: not finite, no area, or outside the frame.
            ModelError: the network's answer is not finite. A tracker that was running goes on as it was.
        """
        height, width = _frame_size(frame)
        state, fill = TrackState.at(checked(box, width, height), width, height), mean_colour(frame)
        self._templates = make_template(self._engine, frame, state, self.manifest.geometry, fill)
        self._state, self._fill, self._round = state, fill, Round()
        self._policy = parse_budget(self._budget, self.manifest)

    def update(self, frame: Image) -> Prediction:
        """Find the target in the next frame, H×W×3 uint8 BGR of the first one's size.

        Raises:
            FrameError: not such a frame, another size, or init was not called.
        """
        start = time.perf_counter()
        state, taus = self._checked_state(frame), self._policy.taus()
        claim = self._round.claim
        at, taus = (state, taus) if claim is None else (claim, deepest(taus))
        seen, depth = self._look(frame, at.search_window(self.manifest.geometry), at, taus)
        found = at.follow(seen, depth, self.manifest.decode, self.manifest.state)
        macs = self.manifest.macs(taus, depth)
        if claim is None:
            macs += self._look_elsewhere(frame, found, shallowest(taus))
        else:
            found = (
                found if is_found(seen, depth, self.manifest.state) else replace(state, lost=state.lost + 1)
            )
            self._round = replace(self._round, claim=None)
        self._state = found
        self._policy.took(macs)
        return Prediction(
            box=found.box,
            score=seen.score,
            present=found.verdict != LOST,
            depth=depth,
            seconds=time.perf_counter() - start,
            state=found.verdict,
            macs=macs,
        )

    def _look_elsewhere(self, frame: Image, state: TrackState, taus: tuple[float, ...]) -> int:
        """Look at one window of the round when the target is lost; return the multiply-accumulates."""
        self._round = self._round.after(state, self.manifest.geometry)
        window = self._round.window
        if window is None:
            return 0
        seen, depth = self._look(frame, window, state, taus)
        if is_found(seen, depth, self.manifest.state):
            self._round = replace(self._round, claim=state.moved(seen.cx, seen.cy))
        return self.manifest.macs(taus, depth)

    def _look(
        self, frame: Image, window: Window, state: TrackState, thresholds: tuple[float, ...]
    ) -> tuple[Candidate, int]:
        """Run stages until a gate says stop; a crop is cut when a stage asks for it.

        An exit that the thresholds rule out is not evaluated. A gate that stops early is not
        believed when its exit would not call the target TRACKED: a deeper one has the last word.
        """
        carry: Float32s | None = None
        taus = (*thresholds, ALWAYS)
        crops = CropPyramid(frame, window, self._fill)
        sides = self.manifest.geometry.stage_sides
        for k, (side, tau, template) in enumerate(zip(sides, taus, self._templates, strict=True), start=1):
            crop = None if side is None else crops[side][None]
            if tau >= NEVER:
                carry = self._engine.pass_on(k, crop, carry)
                continue
            output = self._engine.stage(k, crop, carry, template)
            if stops(output, tau):
                seen = self._decode(output, window, state.w, state.h)
                if tau <= ALWAYS or verdict_of(seen.score, k, self.manifest.state) == TRACKED:
                    break
            carry = output.carry
        return seen, k

    def _checked_state(self, frame: Image) -> TrackState:
        height, width = _frame_size(frame)
        if self._state is None:
            raise FrameError("update: called before init; call init(frame, box) with the first frame")
        if (self._state.width, self._state.height) != (width, height):
            raise FrameError(
                f"frame: got {width}x{height} after {self._state.width}x{self._state.height}; "
                "the size may not change midway, start again with a box in this frame"
            )
        return self._state


def _frame_size(frame: Image) -> tuple[int, int]:
    """Return height and width of an H×W×3 uint8 array with pixels, else raise FrameError."""
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError(
            f"frame: got {got}, expected H×W×3 uint8 BGR; tracker.frames converts other pictures"
        )
    if frame.size == 0:
        raise FrameError(f"frame: got {frame.shape}, which has no pixels")
    return frame.shape[0], frame.shape[1]

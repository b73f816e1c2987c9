"""A window by SDL (extra `window`): shows frames, takes keys, lets a person draw the box.

Keys: space pauses, `.` steps, + and - change the budget, s draws a new box, d
shows or hides the panel, h the help line, q or Esc ends.
"""

from dataclasses import dataclass

import numpy as np

from tracker.arrays import Image
from tracker.boxes import Box
from tracker.errors import TrackerError

HELP = "space pause   . step   + - compute   s new box   d panel   h help   q quit"
MIN_BOX_PX = 3


class WindowError(TrackerError):
    """No display, or pygame is not installed."""


@dataclass
class Wishes:
    """What the keys asked for since the last frame."""

    quit: bool = False
    select: bool = False
    deeper: int = 0


class Window:
    """One window for one source.

    Raises:
        WindowError: pygame is missing or there is no display.
    """

    def __init__(self, title: str) -> None:
        try:
            import pygame
        except ImportError as error:
            raise WindowError("window: pygame is not installed; pip install depthgate[window]") from error
        self._pygame = pygame
        pygame.display.init()
        if pygame.display.get_driver() == "offscreen":
            raise WindowError("window: there is no display; give --box x,y,w,h and --save out.mp4 instead")
        pygame.font.init()
        self._title, self._screen = title, None
        self._font = pygame.font.Font(None, 20)
        self.panel, self._help, self._paused = True, True, False

    def show(self, frame: Image, text: str = "") -> Wishes:
        """Show H×W×3 BGR and handle keys; while paused it returns only on a step, resume, new box or quit."""
        wishes = Wishes()
        while True:
            self._paint(frame, text or (HELP if self._help else ""))
            step = False
            for event in self._pygame.event.get():
                step = self._handle(event, wishes) or step
            if not self._paused or step or wishes.quit or wishes.select:
                return wishes
            self._pygame.time.wait(20)

    def _handle(self, event: object, wishes: Wishes) -> bool:
        """Handle one event; return whether a single step was asked for."""
        pygame = self._pygame
        kind, key = getattr(event, "type", None), getattr(event, "key", None)
        if kind == pygame.QUIT or (kind == pygame.KEYDOWN and key in (pygame.K_q, pygame.K_ESCAPE)):
            wishes.quit = True
        elif kind != pygame.KEYDOWN:
            return False
        elif key == pygame.K_SPACE:
            self._paused = not self._paused
        elif key in (pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS):
            wishes.deeper += 1
        elif key in (pygame.K_MINUS, pygame.K_KP_MINUS):
            wishes.deeper -= 1
        elif key == pygame.K_s:
            wishes.select = True
        elif key == pygame.K_d:
            self.panel = not self.panel
        elif key == pygame.K_h:
            self._help = not self._help
        return bool(key == pygame.K_PERIOD)

    def select_box(self, frame: Image) -> Box | None:
        """Let the person drag a box; None when the window is closed or q pressed first."""
        pygame = self._pygame
        start: tuple[int, int] | None = None
        end = (0, 0)
        while True:
            marked = (start, end) if start else None
            self._paint(frame, "drag a box around the target, q quits", marked)
            for event in pygame.event.get():
                if event.type == pygame.QUIT:
                    return None
                if event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE):
                    return None
                if event.type == pygame.MOUSEBUTTONDOWN:
                    start = end = event.pos
                elif event.type == pygame.MOUSEMOTION and start:
                    end = event.pos
                elif event.type == pygame.MOUSEBUTTONUP and start:
                    x0, x1 = sorted((start[0], event.pos[0]))
                    y0, y1 = sorted((start[1], event.pos[1]))
                    start = None
                    if x1 - x0 >= MIN_BOX_PX and y1 - y0 >= MIN_BOX_PX:
                        return float(x0), float(y0), float(x1 - x0), float(y1 - y0)
            pygame.time.wait(15)

    def _paint(
        self,
        frame: Image,
        text: str,
        marked: tuple[tuple[int, int], tuple[int, int]] | None = None,
    ) -> None:
        pygame = self._pygame
        height, width = frame.shape[:2]
        if self._screen is None:
            self._screen = pygame.display.set_mode((width, height))
            pygame.display.set_caption(self._title)
        assert self._screen is not None
        surface = pygame.image.frombuffer(
            np.ascontiguousarray(frame[..., ::-1]).tobytes(), (width, height), "RGB"
        )
        self._screen.blit(surface, (0, 0))
        if marked:
            (x0, y0), (x1, y1) = marked
            area = pygame.Rect(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
            pygame.draw.rect(self._screen, (64, 208, 96), area, 2)
        if text:
            self._screen.blit(self._font.render(text, True, (245, 245, 245), (32, 34, 38)), (6, 6))
        pygame.display.flip()

    def close(self) -> None:
        self._pygame.display.quit()

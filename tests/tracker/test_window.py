"""The window under SDL's driver without a screen: keys go in as events."""

import numpy as np
import pytest

pygame = pytest.importorskip("pygame", reason="needs the extra window")

from tracker.follow import stepped  # noqa: E402
from tracker.ui.window import Window  # noqa: E402


@pytest.fixture
def window(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window("test")
    window.show(np.zeros((120, 160, 3), np.uint8))
    pygame.event.clear()
    yield window
    window.close()


def press(key: int) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


def drag(*points: tuple[int, int]) -> None:
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=points[0], button=1))
    for point in points[1:]:
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=point, rel=(0, 0), buttons=(1, 0, 0)))
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=points[-1], button=1))


FRAME = np.zeros((120, 160, 3), np.uint8)


def test_keys(window):
    press(pygame.K_s)
    assert window.show(FRAME).select
    press(pygame.K_q)
    assert window.show(FRAME).quit
    assert window.panel
    press(pygame.K_d)
    window.show(FRAME)
    assert not window.panel


def test_plus_and_minus_ask_for_another_budget(window):
    press(pygame.K_PLUS)
    press(pygame.K_EQUALS)
    assert window.show(FRAME).deeper == 2
    press(pygame.K_MINUS)
    assert window.show(FRAME).deeper == -1


@pytest.mark.parametrize(
    "budget, steps, expected",
    [
        (None, 1, "full"),
        (None, -1, "depth:3"),
        ("depth:3", 1, None),
        ("depth:2", -5, "depth:1"),
        ("full", 1, "full"),
        ("0.1GMAC", -1, "depth:3"),
    ],
)
def test_the_ladder_of_budgets(budget, steps, expected):
    assert stepped(budget, steps, 4) == expected


def test_pause_waits_for_a_step(window):
    press(pygame.K_SPACE)
    press(pygame.K_PERIOD)
    assert not window.show(FRAME).quit
    press(pygame.K_q)
    assert window.show(FRAME).quit


def test_a_box_is_dragged_in_any_direction(window):
    drag((80, 60), (40, 90), (20, 30))
    assert window.select_box(FRAME) == (20.0, 30.0, 60.0, 30.0)


def test_a_click_is_no_box_and_q_gives_up(window):
    drag((80, 60), (81, 60))
    press(pygame.K_q)
    assert window.select_box(FRAME) is None


def test_colours_reach_the_screen_in_order(window):
    frame = FRAME.copy()
    frame[60:, :] = (10, 20, 200)
    window.show(frame)
    assert tuple(pygame.display.get_surface().get_at((80, 100)))[:3] == (200, 20, 10)

import signal
import threading

import pytest

from tracker.interrupt import ENDING, Stop, Stopped


@pytest.fixture(autouse=True)
def default_handlers():
    """Nothing ignored, as in a terminal."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def press(number: int = signal.SIGINT) -> None:
    signal.raise_signal(number)


def pressed_while_made():
    yield 1
    press()
    yield 2


def test_it_is_heard_while_the_next_item_is_made():
    got = []
    with Stop() as stop, pytest.raises(KeyboardInterrupt):
        for item in stop.heard(pressed_while_made()):
            got.append(item)
    assert got == [1]


def test_it_waits_while_an_item_is_handled():
    done = []
    with Stop() as stop, pytest.raises(KeyboardInterrupt):
        for item in stop.heard([1, 2, 3]):
            press()
            done.append(item)
    assert done == [1]


def test_further_ones_do_nothing():
    with Stop() as stop:
        with pytest.raises(KeyboardInterrupt):
            list(stop.heard(pressed_while_made()))
        press()
        press()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_of_them_ends_and_the_first_is_named(number):
    def items():
        yield 1
        press(number)

    with Stop() as stop, pytest.raises(Stopped) as end:
        for _ in stop.heard(items()):
            pass
    assert end.value.signal == number


def test_the_first_of_several_is_named():
    with Stop() as stop, pytest.raises(Stopped) as end:
        for _ in stop.heard([1, 2]):
            press(signal.SIGHUP)
            press(signal.SIGTERM)
    assert end.value.signal == signal.SIGHUP


def test_what_was_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Stop() as stop:
        for _ in stop.heard([1, 2]):
            press(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_the_handler_of_before_is_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with Stop():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_another_thread_may_use_it():
    got = []

    def work() -> None:
        with Stop() as stop:
            got.extend(stop.heard([1, 2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert got == [1, 2]

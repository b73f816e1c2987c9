import signal
import threading

import pytest

from tracker.interrupt import CtrlC


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def pressed_while_made():
    yield 1
    press()
    yield 2


def test_it_is_heard_while_the_next_item_is_made():
    got = []
    with CtrlC() as ctrl_c, pytest.raises(KeyboardInterrupt):
        for item in ctrl_c.heard(pressed_while_made()):
            got.append(item)
    assert got == [1]


def test_it_waits_while_an_item_is_handled():
    done = []
    with CtrlC() as ctrl_c, pytest.raises(KeyboardInterrupt):
        for item in ctrl_c.heard([1, 2, 3]):
            press()
            done.append(item)
    assert done == [1]


def test_further_ones_do_nothing():
    with CtrlC() as ctrl_c:
        with pytest.raises(KeyboardInterrupt):
            list(ctrl_c.heard(pressed_while_made()))
        press()
        press()


def test_the_handler_of_before_is_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with CtrlC():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_another_thread_may_use_it():
    got = []

    def work() -> None:
        with CtrlC() as ctrl_c:
            got.extend(ctrl_c.heard([1, 2]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert got == [1, 2]

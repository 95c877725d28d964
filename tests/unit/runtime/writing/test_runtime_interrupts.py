"""Interrupts are postponed where something is undone, and raised at its end."""

import threading

import pytest

from clampdown_runtime.writing.interrupts import interrupt, surely, uninterrupted


def test_an_interrupt_is_raised_at_once_elsewhere():
    with pytest.raises(KeyboardInterrupt):
        interrupt(KeyboardInterrupt())


def test_an_interrupt_waits_for_the_end_of_the_outermost_block():
    done = []
    with pytest.raises(SystemExit), uninterrupted():
        with uninterrupted():
            interrupt(SystemExit(143))
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    # It is over: the next one is raised at once.
    with pytest.raises(KeyboardInterrupt):
        interrupt(KeyboardInterrupt())


def test_what_has_to_be_undone_is_undone_whole():
    undone = []

    def undo():
        interrupt(KeyboardInterrupt())
        undone.append(1)

    with pytest.raises(KeyboardInterrupt), surely(undo):
        pass
    assert undone


def test_it_is_undone_after_an_error_and_the_error_is_kept():
    undone = []
    with pytest.raises(ValueError), surely(lambda: undone.append(1)):
        raise ValueError
    assert undone


def test_another_thread_postpones_nothing():
    """Handlers run in the main thread."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with uninterrupted():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(30)
    with pytest.raises(KeyboardInterrupt):
        interrupt(KeyboardInterrupt())
    leave.set()
    thread.join()


def test_of_several_the_last_is_raised_and_none_is_left():
    with pytest.raises(SystemExit), uninterrupted():
        interrupt(KeyboardInterrupt())
        interrupt(SystemExit(143))
    with uninterrupted():
        pass

"""An interrupt is never lost, wherever it comes."""

from __future__ import annotations

import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from ufo_rl import cli


@pytest.fixture(autouse=True)
def begun() -> Iterator[None]:
    numbers = [*cli.INTERRUPTS, signal.SIGALRM]
    before, hook = {number: signal.getsignal(number) for number in numbers}, sys.unraisablehook
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored, and so it would stay
    cli._begin()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


class Dying:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def in_a_destructor() -> None:
    Dying()


def in_a_callback() -> None:
    weakref.ref(type("Gone", (), {})(), lambda _: signal.raise_signal(signal.SIGINT))


@pytest.mark.parametrize("interrupted", [in_a_destructor, in_a_callback])
def test_an_interrupt_where_python_only_prints_exceptions_comes_again(
    interrupted: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted()
        time.sleep(5)
    assert capsys.readouterr().err == ""


def test_other_errors_there_are_printed_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    class Faulty:
        def __del__(self) -> None:
            raise ValueError("of its own")

    Faulty()
    assert "ValueError: of its own" in capsys.readouterr().err

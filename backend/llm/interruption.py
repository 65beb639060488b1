"""Ctrl-C and SIGTERM inside an event loop."""

import asyncio
import signal
import threading
from collections.abc import Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def on_interruption(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> Callable[[], None]:
    """Have `act` called on either signal instead of an exception; returns what restores the signals.

    Does nothing outside the main thread, which alone may catch signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    for number in _SIGNALS:
        loop.add_signal_handler(number, act)

    def restore() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    return restore

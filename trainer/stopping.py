"""How a run is told to stop: SIGTERM, as a spot machine gets it, or Ctrl-C, heard between two steps."""

import ctypes
import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

_PR_SET_PDEATHSIG = 1


class Stop:
    """Turns SIGTERM and Ctrl-C into a wish that the loop reads between two steps; a second Ctrl-C interrupts at once."""

    def __init__(self):
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._wish)
        _hear_of_the_launchers_end()

    def _wish(self, number, _frame) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def wished(self, accelerator: Accelerator) -> bool:
        """Whether any process was told to stop; all agree on it, between the same two steps."""
        if accelerator.num_processes == 1:
            return self.signal is not None
        wishes = torch.tensor(float(self.signal or 0), device=accelerator.device)
        self.signal = int(accelerator.reduce(wishes, "max")) or None
        return self.signal is not None


def _hear_of_the_launchers_end() -> None:
    # accelerate's launcher of one process passes no signal on: its end is taken for the SIGTERM that it got.
    launcher = Path(f"/proc/{os.getppid()}/cmdline")
    if sys.platform == "linux" and launcher.exists() and b"accelerate" in launcher.read_bytes():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

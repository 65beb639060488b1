"""The progress of a run on the terminal: rate, time left, cost."""

import sys

from tqdm import tqdm


class Bar:
    """A tqdm bar where stderr is a terminal, else silent."""

    def __init__(self, total: int | None, done: int, unit: str):
        self._bar = tqdm(
            total=total, initial=done, unit=f" {unit}", unit_scale=False, smoothing=0.1, disable=not sys.stderr.isatty()
        )

    def add(self, count: int, note: str = "") -> None:
        """So many more are done."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)

    def say(self, sentence: str) -> None:
        """A line above the bar, also where there is no terminal."""
        self._bar.write(sentence, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

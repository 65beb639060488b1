"""The models that are loaded: each once, lazily; the longest unused go when memory is short."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

from backend.errors import UserError
from backend.slm.catalog import ModelFolder, resolve
from backend.slm.engine import Engine, load_engine

MAX_BYTES = 6_000_000_000
_LOADERS = 4  # models that are fetched and loaded at the same time


class Models:
    """Engines by model name, shared by all visitors. `folders` are offered; Hub ids can be asked for as well."""

    def __init__(self, folders: list[ModelFolder], max_bytes: int = MAX_BYTES):
        self.folders = {model.name: model for model in folders}
        self.max_bytes = max_bytes
        self.fetching: dict[str, float] = {}  # the share of a model that has come from the Hub
        self.revisions: dict[str, str] = {}  # commits of the Hub's models that were loaded
        self._engines: dict[str, Engine] = {}
        self._borrowers: dict[str, int] = {}
        self._loading: dict[str, threading.Lock] = {}
        self._guard, self._closed = threading.Lock(), False
        # Apart from asyncio's own threads, which a few slow downloads would take up.
        self._loaders = ThreadPoolExecutor(_LOADERS, "model")

    def loaded(self, name: str) -> bool:
        """Whether a model answers at once."""
        return name in self._engines

    @property
    def borrowers(self) -> int:
        """How many have an engine, or wait for one."""
        return sum(list(self._borrowers.values()))

    @property
    def load(self) -> int:
        """Stories under way or waiting, of all models."""
        return sum(engine.load for engine in list(self._engines.values()))

    @contextmanager
    def lend(self, name: str) -> Iterator[Engine]:
        """The engine of a model, which stays loaded until it is given back. The first call loads it, for seconds.

        Raises UserError as `resolve` and `load_engine` do.
        """
        with self._guard:
            loading = self._loading.setdefault(name, threading.Lock())
            self._borrowers[name] = self._borrowers.get(name, 0) + 1
        try:
            with loading:
                engine = self._at_hand(name, borrowed=True) or self._load(name)
            yield engine
        finally:
            self._give_back(name)

    @asynccontextmanager
    async def lend_async(self, name: str) -> AsyncIterator[Engine]:
        """`lend` for asyncio: loading blocks nobody, and who leaves meanwhile gives the model back once it has loaded."""
        if engine := self._at_hand(name):
            try:
                yield engine
            finally:
                self._give_back(name)
            return
        lending = self.lend(name)
        loading = asyncio.get_running_loop().run_in_executor(self._loaders, lending.__enter__)
        try:
            engine = await asyncio.shield(loading)
        except asyncio.CancelledError:
            loading.add_done_callback(lambda done: done.exception() or lending.__exit__(None, None, None))
            raise
        try:
            yield engine
        finally:
            lending.__exit__(None, None, None)

    def close(self) -> None:
        """End all engines."""
        self._closed = True
        self._loaders.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            engines, self._engines = list(self._engines.values()), {}
        for engine in engines:
            engine.close()

    def _at_hand(self, name: str, borrowed: bool = False) -> Engine | None:
        """A loaded engine, from now on the one used last, and lent once more unless it is `borrowed` already."""
        with self._guard:
            engine = self._engines.pop(name, None)
            if engine:
                self._engines[name] = engine
                self._borrowers[name] = self._borrowers.get(name, 0) + (not borrowed)
            return engine

    def _give_back(self, name: str) -> None:
        with self._guard:
            self._borrowers[name] -= 1
            if not self._borrowers[name]:
                del self._borrowers[name]
                if name not in self._engines:  # else every name that is ever typed would be kept
                    self._loading.pop(name, None)

    def _load(self, name: str) -> Engine:
        folder = self.folders.get(name) or self._fetch(name)
        engine = load_engine(folder.path)
        with self._guard:
            self._engines[name] = engine
            unused = self._over_the_limit()
        for other in unused:
            other.close()
        return engine

    def _fetch(self, name: str) -> ModelFolder:
        def report(come: int, total: int) -> None:
            if self._closed:
                raise UserError("The app is closing.")  # ends the download
            self.fetching[name] = come / max(total, 1)

        try:
            folder = resolve(name, local=False, report=report)
        finally:
            self.fetching.pop(name, None)
        self.revisions[name] = folder.revision
        return folder

    def _over_the_limit(self) -> list[Engine]:
        total, unused = sum(engine.bytes for engine in self._engines.values()), []
        for name in list(self._engines):
            if total > self.max_bytes and not self._borrowers.get(name):
                unused.append(self._engines.pop(name))
                total -= unused[-1].bytes
        return unused

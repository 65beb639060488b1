"""Reads a text with a model: how likely each of its tokens was, and what else might have stood there."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_AT_ONCE = 64  # tokens; bounds the logits in memory


@dataclass(frozen=True)
class TokenReading:
    """A token in its place: its log probability (nats) after what stands before it, its rank there (0 the likeliest),

    and the likeliest tokens with theirs. The first token of a text has no reading of its own: nothing stands before it.
    """

    id: int
    log_probability: float | None
    rank: int | None
    likeliest: list[tuple[int, float]]


class Reader:
    """One model's graph, compiled for whole texts. The first call compiles it; readers wait for each other."""

    def __init__(self, folder: Path, threads: int, exact: bool = False):
        self._folder, self._guard, self._request = folder, threading.Lock(), None
        self._properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        if exact:
            self._properties["KV_CACHE_PRECISION"] = "f32"

    def read(self, ids: Sequence[int], top: int = 5) -> list[TokenReading]:
        """A reading for each of the ids, which begin with bos and are no more than the context."""
        found = [TokenReading(ids[0], None, None, [])]
        with self._guard:
            for start in range(0, len(ids) - 1, _AT_ONCE):
                chunk = ids[start : start + _AT_ONCE]
                logits = self._logits(chunk, start)
                following = ids[start + 1 : start + 1 + len(chunk)]
                found += [_reading(row, token, top) for row, token in zip(logits, following, strict=False)]
        return found

    @property
    def in_use(self) -> bool:
        """Whether it holds memory: it has been asked before."""
        return self._request is not None

    def _logits(self, ids: Sequence[int], start: int) -> np.ndarray:
        """Logits (time, vocabulary) of ids that begin at a position; 0 forgets what came before."""
        request = self._compiled()
        if start == 0:
            request.reset_state()
        end = start + len(ids)
        inputs = {
            "input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, end), np.int64),
            "position_ids": np.arange(start, end)[None], "beam_idx": np.zeros(1, np.int32),
        }  # fmt: skip
        return request.infer(inputs)[0][0]

    def _compiled(self):
        if self._request is None:
            import openvino

            path = str(self._folder / "openvino_model.xml")
            self._request = openvino.Core().compile_model(path, "CPU", self._properties).create_infer_request()
        return self._request


def _reading(logits: np.ndarray, token: int, top: int) -> TokenReading:
    scores = _log_softmax(logits)
    return TokenReading(token, float(scores[token]), int((scores > scores[token]).sum()), _likeliest(scores, top))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def _likeliest(scores: np.ndarray, top: int) -> list[tuple[int, float]]:
    if not top:
        return []
    top = min(top, len(scores))
    best = np.argpartition(-scores, top - 1)[:top]
    return [(int(i), float(scores[i])) for i in best[np.argsort(-scores[best], kind="stable")]]

"""The decoder in numpy, for machines without a C compiler: what `native/` computes, but for keys and values in floats."""

import select
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import erf
from pathlib import Path

import numpy as np

from backend.slm.config import gelu_approximation, head_size, inner_size, key_value_heads, norm_epsilon
from backend.slm.packing import read_arrays
from backend.slm.spelling import LastWord, Spelling

_READ_AT_ONCE = 64  # tokens
_FIRST_WORD = 4  # tokens that are told at once
_EVEN = np.float32(10)
_AGAIN = 0x80000000  # the number of a draw that follows a refused one


@dataclass
class _Slot:
    ids: list[int]
    given: int
    limit: int
    reading: int
    sampling: dict
    keys: np.ndarray  # (layers, heads, context, size)
    values: np.ndarray
    read: int = 0
    told: int = 0
    word: LastWord | None = None
    active: bool = True
    readings: list = field(default_factory=list)


class PlainBatch:
    """The same calls as `native.batch.Batch` has."""

    def __init__(self, folder: Path, config: dict, *, context: int, slots: int, threads: int, eos_id: int, spelling: Spelling | None = None):
        """`folder` as `converted` gives it; with a `spelling` stories are of its words. numpy chooses its threads by itself."""
        self._decoder, self._context, self._eos_id = Decoder(read_arrays(folder), config), context, eos_id
        self._slots: dict[int, _Slot] = {}
        self._spelling = spelling
        self._free = list(range(slots))

    def begin(self, ids: Sequence[int], new_tokens: int, reading: int = -1, **sampling: float) -> int:
        """The slot of a story, or of a text that is read; -1 when none is free."""
        if not self._free:
            return -1
        word = LastWord(self._spelling, ids) if self._spelling and reading < 0 else None
        number, limit = self._free.pop(0), min(len(ids) + new_tokens, self._context)
        shape = self._decoder.cache_shape(self._context)
        keys, values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._slots[number] = _Slot(list(ids), len(ids), limit, reading, sampling, keys, values, told=len(ids), word=word)
        return number

    def end(self, slot: int) -> None:
        """Free a slot."""
        if self._slots.pop(slot, None):
            self._free.append(slot)

    def run(self, seconds: float, threads: int, wake: int) -> None:
        """Step until the time is over, a first word is there, a story has ended, or the file `wake` has something to read."""
        end, urgent = time.monotonic() + seconds, False
        while not urgent and time.monotonic() < end and not select.select([wake], [], [], 0)[0]:
            for slot in self._slots.values():
                if slot.active:
                    self._step(slot)
                    urgent |= not slot.active or len(slot.ids) - slot.given <= _FIRST_WORD

    def told(self, slot: int) -> tuple[list[int], bool]:
        """New ids of a story, and whether it goes on."""
        each = self._slots[slot]
        new, each.told = each.ids[each.told :], len(each.ids)
        if not each.active and each.reading < 0:
            self.end(slot)
        return new, each.active

    def readings(self, slot: int, count: int, alternatives: int) -> list[tuple[float, int, list[tuple[int, float]]]]:
        """Of `count` ids that were read, from the second on: log probability (nats), rank, and the likeliest there."""
        found = self._slots[slot].readings[: count - 1]
        self.end(slot)
        return found

    def _step(self, slot: _Slot) -> None:
        rows = slot.ids[slot.read : slot.read + _READ_AT_ONCE]
        logits = self._decoder.forward(rows, slot.read, slot.keys, slot.values, every=slot.reading >= 0)
        if slot.reading >= 0:
            following = slot.ids[slot.read + 1 : slot.read + 1 + len(rows)]
            slot.readings += [_reading(row, token, slot.reading) for row, token in zip(logits, following, strict=False)]
        slot.read += len(rows)
        if slot.read < len(slot.ids):
            return
        if slot.reading < 0:
            if slot.word:
                slot.word.favour(logits[-1])
            slot.ids.append(draw(logits[-1], slot.ids, slot.sampling, len(slot.ids) - slot.given, slot.word))
            if slot.word:
                slot.word.add(slot.ids[-1])
        slot.active = slot.reading < 0 and slot.ids[-1] != self._eos_id and len(slot.ids) < slot.limit


class Decoder:
    """Llama, Qwen3 and GPT-2 over arrays by the names of `packing`."""

    def __init__(self, arrays: dict[str, np.ndarray], config: dict):
        self._weights, self._gpt2 = arrays, config["model_type"] == "gpt2"
        self._heads, self._kv_heads, self._size = config["num_attention_heads"], key_value_heads(config), head_size(config)
        self._layers, self._hidden = config["num_hidden_layers"], config["hidden_size"]
        self._inner = inner_size(config)
        self._vocab_size = config["vocab_size"]
        self._epsilon = norm_epsilon(config)
        self._exact_gelu = self._gpt2 and gelu_approximation(config) == "erf"
        self._matrices = {
            name: (values * arrays[f"{name}.scales"][:, None]).astype(np.float32) for name, values in arrays.items() if values.dtype == np.int8
        }

    def cache_shape(self, context: int) -> tuple[int, int, int, int]:
        """Of the keys, and of the values, of one story."""
        return self._layers, self._kv_heads, context, self._size

    def forward(self, ids: list[int], start: int, keys: np.ndarray, values: np.ndarray, every: bool) -> np.ndarray:
        """Logits of the ids from position `start` on, of the last alone unless `every`: (rows, vocab_size)."""
        end = start + len(ids)
        x = self._matrices["embedding"][ids, : self._hidden]
        if self._gpt2:
            x = x + self._weights["positions"][start:end]
        for layer in range(self._layers):
            y = self._linear(self._norm(x, f"{layer}.input_norm"), f"{layer}.attention_in")
            parts = np.split(y[:, : (self._heads + 2 * self._kv_heads) * self._size].reshape(len(ids), -1, self._size),
                             [self._heads, self._heads + self._kv_heads], axis=1)  # fmt: skip
            query, key, value = (part.transpose(1, 0, 2) for part in parts)
            query, key = self._placed(query, f"{layer}.query_norm", start), self._placed(key, f"{layer}.key_norm", start)
            keys[layer, :, start:end], values[layer, :, start:end] = key, value
            y = self._attention(query, keys[layer, :, :end], values[layer, :, :end], start)
            x = x + self._linear(y, f"{layer}.attention_out")[:, : self._hidden]
            y = self._linear(self._norm(x, f"{layer}.post_norm"), f"{layer}.up")
            x = x + self._linear(self._activated(y), f"{layer}.down")[:, : self._hidden]
        x = self._norm(x if every else x[-1:], "final_norm")
        return self._linear(x, "head" if "head" in self._matrices else "embedding")[:, : self._vocab_size]

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        y = _rounded(x) @ self._matrices[name][:, : x.shape[1]].T
        return y + self._weights[f"{name}.bias"] if f"{name}.bias" in self._weights else y

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        bias = self._weights.get(f"{name}_bias")
        if bias is not None:
            x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self._epsilon) * self._weights[name]
        return x if bias is None else x + bias

    def _placed(self, x: np.ndarray, norm: str, start: int) -> np.ndarray:
        """Queries or keys (heads, rows, size), normed (Qwen3) and turned by their position (Su et al. 2021)."""
        if norm in self._weights:
            x = self._norm(x, norm)
        if self._gpt2:
            return x
        end = start + x.shape[1]
        cosine, sine = self._weights["cosines"][start:end], self._weights["sines"][start:end]
        first, second = np.split(x, 2, axis=-1)
        return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)

    def _attention(self, query: np.ndarray, keys: np.ndarray, values: np.ndarray, start: int) -> np.ndarray:
        shares = self._heads // self._kv_heads
        keys, values = np.repeat(keys, shares, 0), np.repeat(values, shares, 0)
        scores = query @ keys.transpose(0, 2, 1) / np.sqrt(self._size).astype(np.float32)
        rows, length = scores.shape[1:]
        scores = np.where(np.arange(length) <= start + np.arange(rows)[:, None], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y = weights / weights.sum(-1, keepdims=True) @ values
        return y.transpose(1, 0, 2).reshape(rows, -1).astype(np.float32)

    def _activated(self, x: np.ndarray) -> np.ndarray:
        if not self._gpt2:
            gate = x[:, : self._inner]
            return gate / (1 + np.exp(-gate)) * x[:, self._inner : 2 * self._inner]
        x = x[:, : self._inner]
        if self._exact_gelu:
            return x * (1 + np.vectorize(erf, otypes=[np.float32])(x / np.sqrt(2).astype(np.float32))) / 2
        return x / (1 + np.exp(-1.59576912 * (x + 0.044715 * x**3)))


def _rounded(x: np.ndarray) -> np.ndarray:
    """Each row in eight bits, or in sixteen where its largest value is far from the others: see `native/matrix.c`."""
    most = np.maximum(np.abs(x).max(-1, keepdims=True), 1e-30)
    even = most * most * x.shape[-1] <= _EVEN * _EVEN * (x * x).sum(-1, keepdims=True)
    levels = np.where(even, np.float32(127), np.float32(127 * 256))
    return np.rint(x * (levels / most)) * (most / levels)


def draw(logits: np.ndarray, ids: list[int], sampling: dict, drawn: int, word: LastWord | None = None) -> int:
    """The next token, by the order of `native/sampler.c`; with a `word` one that it takes."""
    logits = logits.astype(np.float64)
    if sampling["repetition_penalty"] != 1:
        said = np.unique(ids)
        logits[said] = np.where(logits[said] > 0, logits[said] / sampling["repetition_penalty"], logits[said] * sampling["repetition_penalty"])
    if sampling["temperature"] <= 0:
        return _best(logits, word)
    order = np.arange(len(logits))
    if sampling["top_k"] or sampling["top_p"] < 1:
        order = np.argsort(-logits, kind="stable")[: sampling["top_k"] or len(logits)]
    weights = np.exp((logits[order] - logits.max()) / sampling["temperature"])
    before = np.cumsum(weights) - weights
    kept = (before < sampling["top_p"] * weights.sum()) & (weights >= sampling["min_p"])
    order, weights = order[kept], weights[kept]
    token = _chosen(order, weights, _uniform(sampling["seed"], drawn))
    if word is None or word.takes(token):
        return token
    kept = np.array([word.takes(int(each)) for each in order])
    return _chosen(order[kept], weights[kept], _uniform(sampling["seed"], _AGAIN | drawn)) if kept.any() else _best(logits, word)


def _chosen(order: np.ndarray, weights: np.ndarray, share: float) -> int:
    place = np.searchsorted(np.cumsum(weights), share * weights.sum(), side="right")
    return int(order[min(place, len(order) - 1)])


def _best(logits: np.ndarray, word: LastWord | None) -> int:
    """The likeliest token that the word takes; without any, the likeliest."""
    falling = map(int, np.argsort(-logits, kind="stable"))
    return next((token for token in falling if word is None or word.takes(token)), int(logits.argmax()))


def _uniform(seed: int, drawn: int) -> float:
    """Steele, Lea and Flood 2014 (SplitMix64)."""
    mask = 2**64 - 1
    z = ((seed << 32 | drawn) + 0x9E3779B97F4A7C15) & mask
    for _ in range(2):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        z ^= z >> 31
    return (z >> 11) * 2.0**-53


def _reading(logits: np.ndarray, token: int, alternatives: int) -> tuple[float, int, list[tuple[int, float]]]:
    scores = logits.astype(np.float64) - logits.max()
    scores -= np.log(np.exp(scores).sum())
    best = np.argsort(-scores, kind="stable")[:alternatives]
    return float(scores[token]), int((logits > logits[token]).sum()), [(int(i), float(scores[i])) for i in best]

"""Many stories of one model at once, by the C beside this."""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_double, c_float, c_int32, c_uint32, c_void_p
from pathlib import Path

import numpy as np

from backend.slm.config import gelu_approximation, head_size, inner_size, key_value_heads, norm_epsilon
from backend.slm.named import AGAIN_BONUS, STOP_BONUS, Named
from backend.slm.native.compiler import library
from backend.slm.packing import read_arrays
from backend.slm.spelling import Spelling, Strings

_SWIGLU, _GELU_TANH, _GELU_ERF = range(3)


class _Matrix(Structure):
    _fields_ = [("rows", c_int32), ("columns", c_int32), ("weights", c_void_p), ("scales", c_void_p), ("bias", c_void_p)]


class _Layer(Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("input_norm", "input_norm_bias", "post_norm", "post_norm_bias", "query_norm", "key_norm")),
        *((name, _Matrix) for name in ("attention_in", "attention_out", "up", "down")),
    ]


class _Decoder(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("width", "layers", "heads", "kv_heads", "head_size", "inner", "vocab_size", "context", "activation")),
        ("epsilon", c_float), ("layer", POINTER(_Layer)), ("embedding", _Matrix), ("head", _Matrix),
        *((name, c_void_p) for name in ("positions", "cosines", "sines", "final_norm", "final_norm_bias")),
    ]  # fmt: skip


class _Sampling(Structure):
    _fields_ = [
        *((name, c_float) for name in ("temperature", "top_p", "min_p", "repetition_penalty")), ("top_k", c_int32), ("seed", c_uint32),
    ]  # fmt: skip


class _Reading(Structure):
    _fields_ = [("log_probability", c_float), ("rank", c_int32)]


class _Candidate(Structure):
    _fields_ = [("log_probability", c_float), ("token", c_int32)]


class _Strings(Structure):
    _fields_ = [("bytes", c_void_p), ("starts", c_void_p), ("count", c_int32)]


class _Favoured(Structure):
    _fields_ = [("token", c_int32), ("stem", c_int32), ("place", c_int32), ("bonus", c_float)]


class _Named(Structure):
    _fields_ = [
        ("stems", _Strings), ("words", c_void_p), ("favoured", POINTER(_Favoured)), ("count", c_int32), ("again", c_float),
        ("stops", c_void_p), ("stop_count", c_int32), ("stop_bonus", c_float),
    ]  # fmt: skip


class _Spelling(Structure):
    _fields_ = [("tokens", _Strings), ("words", _Strings), ("eos", c_int32)]


class OfOpening:
    """An opening's own words and whom and what it names, as C reads them; it must outlive that reading."""

    def __init__(self, own: Sequence[bytes], named: Named):
        self._own, self._stems, self._words = Strings(own), Strings(named.stems), np.array(named.words, np.int32)
        self._favoured = (_Favoured * len(named.favoured))(*(_Favoured(*each) for each in named.favoured))
        self._stops = np.array(named.stops, np.int32)
        named_there = _Named(
            _strings(self._stems), self._words.ctypes.data, self._favoured, len(named.favoured), AGAIN_BONUS,
            self._stops.ctypes.data, len(named.stops), STOP_BONUS,
        )  # fmt: skip
        self.given = ctypes.byref(_strings(self._own)), ctypes.byref(named_there)


class Batch:
    """Stories under way, each in a slot. A story is the same to the bit alone, in company and with any number of threads."""

    def __init__(self, folder: Path, config: dict, *, context: int, slots: int, threads: int, eos_id: int, spelling: Spelling | None = None):
        """`folder` as `converted` gives it; with a `spelling` stories are of its words. Raises MemoryError."""
        self._library, self._arrays = library(), read_arrays(folder)
        for name, kind in (("batch_new", c_void_p), ("batch_readings", POINTER(_Reading)), ("batch_alternatives", POINTER(_Candidate))):
            getattr(self._library, name).restype = kind
        self._decoder = self._built(config, context)
        self._batch = c_void_p(self._library.batch_new(ctypes.byref(self._decoder), slots, threads, eos_id))
        if not self._batch:
            raise MemoryError(f"There is no memory for {slots} stories of {context} tokens at once.")
        self._spelling, self._own = spelling, {}
        if spelling:
            self._strings = Strings(spelling.tokens), Strings(spelling.words)
            self._library.batch_spell(self._batch, ctypes.byref(_Spelling(*map(_strings, self._strings), eos_id)))
        self._ids, self._going_on = np.zeros(context, np.int32), c_int32()

    def begin(self, ids: Sequence[int], new_tokens: int, reading: int = -1, **sampling: float) -> int:
        """The slot of a story that begins with these ids, at most `new_tokens` more; -1 when none is free.

        With `reading` 0 or more the ids themselves are read, and for each so many alternatives.
        """
        given = np.asarray(ids, np.int32)
        settings = _Sampling(**sampling)
        opening = OfOpening(*self._spelling.of_opening(tuple(ids))) if self._spelling and reading < 0 else None
        slot = self._library.batch_begin(self._batch, _pointer(given), len(given), new_tokens, ctypes.byref(settings), reading)
        if opening and slot >= 0:
            self._own[slot] = opening
            self._library.batch_words(self._batch, slot, *self._own[slot].given)
        return slot

    def end(self, slot: int) -> None:
        """Free a slot."""
        self._library.batch_end(self._batch, slot)

    def run(self, seconds: float, threads: int, wake: int) -> None:
        """Step until the time is over, a first word is there, a story has ended, or the file `wake` has something to read."""
        self._library.batch_run(self._batch, c_double(seconds), threads, wake)

    def told(self, slot: int) -> tuple[list[int], bool]:
        """New ids of a story, and whether it goes on."""
        count = self._library.batch_read(self._batch, slot, _pointer(self._ids), ctypes.byref(self._going_on))
        return self._ids[:count].tolist(), bool(self._going_on.value)

    def readings(self, slot: int, count: int, alternatives: int) -> list[tuple[float, int, list[tuple[int, float]]]]:
        """Of `count` ids that were read, from the second on: log probability (nats), rank, and the likeliest there."""
        read = self._library.batch_readings(self._batch, slot)
        likeliest = self._library.batch_alternatives(self._batch, slot)
        return [
            (read[i].log_probability, read[i].rank, [(each.token, each.log_probability) for each in likeliest[i * alternatives : (i + 1) * alternatives]])
            for i in range(1, count)
        ]

    def _built(self, config: dict, context: int) -> _Decoder:
        heads, kv_heads, size = config["num_attention_heads"], key_value_heads(config), head_size(config)
        hidden, gpt2 = config["hidden_size"], config["model_type"] == "gpt2"
        inner = inner_size(config)
        self._layers = (_Layer * config["num_hidden_layers"])()
        for number, layer in enumerate(self._layers):
            for name, _ in _Layer._fields_[:6]:
                setattr(layer, name, self._address(f"{number}.{name}"))
            layer.attention_in = self._matrix(f"{number}.attention_in", (heads + 2 * kv_heads) * size, hidden)
            layer.attention_out = self._matrix(f"{number}.attention_out", hidden, heads * size)
            layer.up = self._matrix(f"{number}.up", inner if gpt2 else 2 * inner, hidden)
            layer.down = self._matrix(f"{number}.down", hidden, inner)
        embedding = self._matrix("embedding", config["vocab_size"], hidden)
        gelu = _GELU_ERF if gpt2 and gelu_approximation(config) == "erf" else _GELU_TANH
        return _Decoder(
            hidden, len(self._layers), heads, kv_heads, size, inner, config["vocab_size"], context,
            gelu if gpt2 else _SWIGLU, norm_epsilon(config),
            self._layers, embedding, self._matrix("head", config["vocab_size"], hidden) if "head" in self._arrays else embedding,
            *(self._address(name) for name in ("positions", "cosines", "sines", "final_norm", "final_norm_bias")),
        )  # fmt: skip

    def _matrix(self, name: str, rows: int, columns: int) -> _Matrix:
        return _Matrix(rows, columns, self._address(name), self._address(f"{name}.scales"), self._address(f"{name}.bias"))

    def _address(self, name: str) -> int | None:
        array = self._arrays.get(name)
        return None if array is None else array.ctypes.data


def _strings(strings: Strings) -> _Strings:
    return _Strings(_pointer(strings.bytes), _pointer(strings.starts), strings.count)


def _pointer(array: np.ndarray) -> c_void_p:
    return array.ctypes.data_as(c_void_p)

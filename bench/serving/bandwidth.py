"""How fast this machine's cores read memory, for the physical limit of a model's speed."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def read_bandwidth(size: int, threads: int, seconds: float = 1.0) -> float:
    """Bytes a second that `threads` cores read of `size` bytes again and again, so from the cache that holds so many."""
    parts = np.array_split(np.ones(max(size // 4, threads * 1024), np.float32), threads)
    parts = [np.ascontiguousarray(part) for part in parts]

    def read(part: np.ndarray) -> int:
        rounds, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            np.dot(part, part)
            rounds += 1
        return rounds * part.nbytes

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, parts)) / seconds


def bytes_a_token(config: dict, bits: int = 8) -> int:
    """Bytes of weights that one token reads: every layer and the head; of the embedding only one row."""
    hidden, layers, vocab = config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]
    attention = 4 * hidden * hidden
    feed_forward = 8 * hidden * hidden if config["model_type"] == "gpt2" else 3 * hidden * config["intermediate_size"]
    return (layers * (attention + feed_forward) + vocab * hidden) * bits // 8

"""How surprising a text is to a reference model: bits per byte, which compares across tokenizers as perplexity does not."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from backend.errors import UserError
from backend.tokenizer import load_tokenizer

_BATCH = 8


def bits_per_byte(model: str | Path, texts: Sequence[str], openings: Sequence[str] | None = None) -> list[float]:
    """Bits per UTF-8 byte of each text under a causal model (a folder or a Hub id), given its opening where there is one.

    A text that ends a story is asked to end there too: the eos counts as a token of it. What exceeds the model's
    context is read in pieces, each with half a context before it. Raises UserError when the model cannot be loaded.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # of weights, which are there in a second

    tokenizer = load_tokenizer(model)
    try:
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=False).eval()
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"The reference model '{model}' cannot be loaded ({str(error)[:200]}); give a model folder or a Hub id."
        ) from None
    openings = openings or [""] * len(texts)
    limit = getattr(network.config, "max_position_embeddings", 1024)
    pairs = [tokenizer.encode_after(opening, text) for opening, text in zip(openings, texts, strict=True)]
    given = [opening for opening, _ in pairs]
    said = [[*ids, tokenizer.eos_id] if ids else [] for _, ids in pairs]
    windows = [(i, *window) for i in range(len(texts)) for window in _windows(given[i], said[i], limit)]
    windows.sort(key=lambda window: len(window[1]))
    totals = [0.0] * len(texts)
    progress = tqdm(total=sum(len(window[1]) for window in windows), unit=" tokens", unit_scale=True, disable=not sys.stderr.isatty())
    for start in range(0, len(windows), _BATCH):
        some = windows[start : start + _BATCH]
        longest = len(some[-1][1])
        ids = torch.full((len(some), longest), tokenizer.eos_id)
        counted = torch.zeros((len(some), longest), dtype=torch.bool)
        for row, (_, tokens, first) in enumerate(some):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            counted[row, first : len(tokens)] = True
        with torch.inference_mode():
            # (batch, time, vocab): position t tells of token t + 1; padding stands at the end, where nothing looks back on it.
            surprise = -torch.log_softmax(network(ids).logits[:, :-1].float(), -1).gather(2, ids[:, 1:, None])[..., 0]
        bits = (surprise * counted[:, 1:]).sum(1) / math.log(2)
        for (i, _, _), more in zip(some, bits.tolist(), strict=True):
            totals[i] += more
        progress.update(sum(len(tokens) for _, tokens, _ in some))
    progress.close()
    sizes = [len(text.encode()) for text in texts]
    return [total / size if size else math.nan for total, size in zip(totals, sizes, strict=True)]


def _windows(given: list[int], said: list[int], limit: int) -> Iterator[tuple[list[int], int]]:
    """Pieces of a text that fit into the context, and the first token of each that has not been counted before."""
    tokens, counted = given + said, len(given)
    start = max(0, counted - limit // 2)
    while counted < len(tokens):
        end = min(len(tokens), start + limit)
        yield tokens[start:end], counted - start
        counted, start = end, max(0, end - limit // 2)

"""How surprising a text is to a reference model: bits per byte, which compares across tokenizers as perplexity does not."""

import math
from collections.abc import Sequence
from pathlib import Path

from backend.errors import UserError
from backend.tokenizer import load_tokenizer

_BATCH = 8


def bits_per_byte(model: str | Path, texts: Sequence[str], openings: Sequence[str] | None = None) -> list[float]:
    """Bits per UTF-8 byte of each text under a causal model (a folder or a Hub id), given its opening where there is one.

    A text that ends a story is asked to end there too: the eos counts as a token of it. What exceeds the model's
    context is left out. Raises UserError when the model cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(model)
    try:
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, trust_remote_code=False).eval()
    except (OSError, ValueError) as error:
        raise UserError(
            f"The reference model '{model}' cannot be loaded ({str(error)[:200]}); give a model folder or a Hub id."
        ) from None
    openings = openings or [""] * len(texts)
    limit = getattr(network.config, "max_position_embeddings", 1024)
    rows = []
    for opening, text in zip(openings, texts, strict=True):
        given = [tokenizer.bos_id, *(tokenizer.encode(opening) if opening else [])]
        rows.append((given, [*tokenizer.encode(text), tokenizer.eos_id][: max(0, limit - len(given))]))
    bits = [math.nan] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    for start in range(0, len(order), _BATCH):
        some = [i for i in order[start : start + _BATCH] if texts[i] and rows[i][1]]
        if not some:
            continue
        longest = max(len(rows[i][0]) + len(rows[i][1]) for i in some)
        ids = torch.full((len(some), longest), tokenizer.eos_id)
        counted = torch.zeros((len(some), longest), dtype=torch.bool)
        for row, i in enumerate(some):
            given, said = rows[i]
            ids[row, : len(given) + len(said)] = torch.tensor(given + said)
            counted[row, len(given) : len(given) + len(said)] = True
        with torch.inference_mode():
            # (batch, time, vocab): position t tells of token t + 1; padding stands at the end, where nothing looks back on it.
            surprise = -torch.log_softmax(network(ids).logits[:, :-1].float(), -1).gather(2, ids[:, 1:, None])[..., 0]
        totals = (surprise * counted[:, 1:]).sum(1) / math.log(2)
        for i, total in zip(some, totals.tolist(), strict=True):
            n_bytes = len(tokenizer.decode(rows[i][1]).encode()) or 1
            bits[i] = total / n_bytes
    return bits

"""Cross-entropy of a linear head, a chunk of tokens at a time, so that the logits are never held whole.

The gradients are made in the forward pass, while a chunk's logits are at hand: no recomputation, and on a CPU a chunk
stays in its cache, which makes a step faster as well as smaller. On a GPU Liger's kernel does the same, where the
package liger-kernel is installed.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

CACHE = 1 << 20  # logits of a CPU chunk
GATHERED = 1 << 25  # at most so many gradients of logits are kept for one product with the hidden states
GATHERED_TOKENS = 512  # of so many tokens: more would be memory that the kernel clears anew each step
VOCAB_SLICE = 1 << 15


def chunk_sizes(tokens: int, vocab_size: int, on_cpu: bool) -> tuple[int, int]:
    """Tokens whose logits are held in float32 at once, and tokens whose logits' gradients are (in hidden's precision)."""
    chunk = max(128, CACHE // vocab_size) if on_cpu else 2048
    gathered = max(chunk, min(GATHERED_TOKENS, GATHERED // vocab_size) // chunk * chunk)
    return min(chunk, tokens), min(gathered, tokens)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        # hidden (tokens, hidden_size), weight (vocab_size, hidden_size), targets (tokens,)
        tokens, vocab_size = hidden.shape[0], weight.shape[0]
        chunk, gathered = chunk_sizes(tokens, vocab_size, not hidden.is_cuda)
        precise = torch.promote_types(hidden.dtype, torch.float32)
        head = weight.to(hidden.dtype)
        count = (targets >= 0).sum().clamp(min=1)
        wants_gradient = any(ctx.needs_input_grad)
        ignored = targets[:, None] < 0
        if wants_gradient:
            learnt_hidden = hidden.masked_fill(ignored, 0)  # an ignored row adds nothing to the weight's gradient
            hidden_gradient, weight_gradient = torch.empty_like(hidden), torch.zeros_like(weight)
            gradients = hidden.new_empty(gathered, vocab_size)
        loss = torch.zeros((), dtype=precise, device=hidden.device)
        for start in range(0, tokens, gathered):
            end = min(start + gathered, tokens)
            for first in range(start, end, chunk):
                last = min(first + chunk, end)
                target = targets[first:last, None].clamp(min=0)
                gradient = gradients[first - start : last - start] if wants_gradient else None
                # In one precision, the probabilities are made where their gradients shall stand.
                into = gradient if hidden.dtype == precise else None
                probability = torch.softmax(hidden[first:last] @ head.T, dim=1, dtype=precise, out=into)  # (chunk, vocab_size)
                right = probability.gather(1, target)
                loss -= right.clamp_min(torch.finfo(precise).tiny).log().masked_fill(ignored[first:last], 0).sum()
                if wants_gradient:
                    probability.scatter_(1, target, right - 1)
                    if into is None:
                        gradient.copy_(probability)
                    torch.mm(gradient, head, out=hidden_gradient[first:last])
            if wants_gradient:
                _add_outer(weight_gradient, gradients[: end - start], learnt_hidden[start:end])
        if wants_gradient:
            hidden_gradient.masked_fill_(ignored, 0)
            ctx.save_for_backward(hidden_gradient, weight_gradient)
            ctx.count = count
        return loss / count

    @staticmethod
    def backward(ctx, upstream: Tensor):
        hidden_gradient, weight_gradient = ctx.saved_tensors
        share = upstream / ctx.count
        return hidden_gradient.mul_(share), weight_gradient.mul_(share), None


def _add_outer(total: Tensor, gradients: Tensor, hidden: Tensor) -> None:
    # total (vocab_size, hidden_size) += gradients.T @ hidden, in slices so that no second copy of it is made.
    for first in range(0, total.shape[0], VOCAB_SLICE):
        total[first : first + VOCAB_SLICE] += gradients[:, first : first + VOCAB_SLICE].T @ hidden


@torch.compiler.disable
def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of softmax(hidden @ weight.T) against targets, negative ones left out; one backward pass a call.

    hidden (tokens, hidden_size) sets the precision of the products; softmax and sums are float32 or better.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        if hidden.is_cuda and (kernel := ligers_kernel()):
            return by_kernel(kernel, hidden, weight, targets)
        return _LinearCrossEntropy.apply(hidden, weight, targets)


@cache
def ligers_kernel() -> Callable | None:
    """Liger's fused linear cross-entropy (Hsu et al. 2024), or None where it is not installed."""
    if not find_spec("liger_kernel"):
        return None
    from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

    return liger_fused_linear_cross_entropy


def by_kernel(kernel: Callable, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The same as `linear_cross_entropy`, by Liger's kernel; the weight's gradient is summed in float32."""
    total = kernel(hidden, weight.to(hidden.dtype), targets, reduction="sum", accum_dtype=torch.float32)
    return total / (targets >= 0).sum().clamp(min=1)

"""Cross-entropy of a linear head, a chunk of tokens at a time, so that the logits are never held whole.

The gradients are made in the forward pass, while a chunk's logits are at hand: memory grows with
chunk x vocab_size instead of tokens x vocab_size, at no recomputation.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        # hidden (tokens, hidden_size), weight (vocab_size, hidden_size), targets (tokens,)
        tokens = hidden.shape[0]
        compute = weight.to(hidden.dtype)
        wants = ctx.needs_input_grad
        hidden_gradient = torch.empty_like(hidden) if wants[0] else None
        weight_gradient = torch.zeros_like(weight) if wants[1] else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, tokens, chunk):
            part, target = hidden[start : start + chunk], targets[start : start + chunk, None]
            logits = (part @ compute.T).float()  # (chunk, vocab_size)
            log_normaliser = logits.logsumexp(dim=1, keepdim=True)
            loss += (log_normaliser - logits.gather(1, target)).sum()
            if wants[0] or wants[1]:
                gradient = logits.sub_(log_normaliser).exp_()
                gradient.scatter_add_(1, target, torch.full_like(gradient[:, :1], -1.0))
                gradient = (gradient / tokens).to(hidden.dtype)
                if wants[0]:
                    hidden_gradient[start : start + chunk] = gradient @ compute
                if wants[1]:
                    weight_gradient += gradient.T @ part
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return loss / tokens

    @staticmethod
    def backward(ctx, upstream: Tensor):
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return (
            None if hidden_gradient is None else hidden_gradient * upstream.to(hidden_gradient.dtype),
            None if weight_gradient is None else weight_gradient * upstream.to(weight_gradient.dtype),
            None,
            None,
        )


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int = 2048) -> Tensor:
    """Mean cross-entropy of softmax(hidden @ weight.T) against targets.

    hidden (tokens, hidden_size) sets the precision of the products; sums and softmax are float32.
    """
    if hidden.shape[0] <= chunk and not hidden.is_cuda and hidden.shape[0] * weight.shape[0] <= 1 << 26:
        return F.cross_entropy((hidden @ weight.to(hidden.dtype).T).float(), targets)
    return _LinearCrossEntropy.apply(hidden, weight, targets, chunk)

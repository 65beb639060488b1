"""The model: a Llama-type block with QK-norm, in plain PyTorch, with the names and maths of Qwen3ForCausalLM.

Its state dict is a Qwen3 checkpoint as it stands, so export renames nothing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.loss import linear_cross_entropy


class RMSNorm(nn.Module):
    """x / rms(x) * weight, over the last dimension (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


def rotary_table(length: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of shape (length, head_dim), the halves repeated (Su et al. 2021, in GPT-NeoX's layout)."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of x, shape (batch, heads, time, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def attention_bias(documents: Tensor | None, batch: int, n_heads: int, time: int, dtype: torch.dtype, device) -> Tensor:
    """What is added to the scores, (batch * n_heads, time, time): -inf for what lies ahead or in another document."""
    hidden = torch.ones(time, time, dtype=torch.bool, device=device).triu(1)
    if documents is not None:
        hidden = hidden | (documents[:, :, None] != documents[:, None, :])
    bias = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, float("-inf"))
    if documents is None:
        return bias.expand(batch * n_heads, time, time)
    return bias.repeat_interleave(n_heads, dim=0)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(head_dim) + bias) v of shape (batch, heads, time, head_dim); without a bias, causal."""
    if bias is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    batch, heads, time, head_dim = q.shape
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.view(batch, heads, time, time))
    # In bf16 and at story length the plain products take half the time of PyTorch's own kernel for CPUs.
    flat = (batch * heads, time, head_dim)
    scores = torch.baddbmm(bias, q.reshape(flat), k.reshape(flat).mT, alpha=head_dim**-0.5)
    return (scores.softmax(dim=-1).to(v.dtype) @ v.reshape(flat)).view(q.shape)


class Attention(nn.Module):
    """Causal self-attention with RMS-normalised queries and keys."""

    def __init__(self, hidden_size: int, n_heads: int):
        super().__init__()
        self.n_heads, self.head_dim = n_heads, hidden_size // n_heads
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.k_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.v_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.o_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.q_norm, self.k_norm = RMSNorm(self.head_dim), RMSNorm(self.head_dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None) -> Tensor:
        batch, time, _ = x.shape
        shape = (batch, time, self.n_heads, self.head_dim)
        q = rotate(self.q_norm(self.q_proj(x).view(shape)).transpose(1, 2), cos, sin)  # (batch, heads, time, head_dim)
        k = rotate(self.k_norm(self.k_proj(x).view(shape)).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        y = attend(q, k, v, bias)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))


class MLP(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, hidden_size: int, intermediate_size: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to its input."""

    def __init__(self, hidden_size: int, n_heads: int, intermediate_size: int):
        super().__init__()
        self.input_layernorm = RMSNorm(hidden_size)
        self.self_attn = Attention(hidden_size, n_heads)
        self.post_attention_layernorm = RMSNorm(hidden_size)
        self.mlp = MLP(hidden_size, intermediate_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, bias)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings, blocks and the last norm: token ids (batch, time) to hidden states (batch, time, hidden_size)."""

    def __init__(self, vocab_size: int, hidden_size: int, n_layers: int, n_heads: int, intermediate_size: int):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab_size, hidden_size)
        self.layers = nn.ModuleList(Block(hidden_size, n_heads, intermediate_size) for _ in range(n_layers))
        self.norm = RMSNorm(hidden_size)

    def forward(self, ids: Tensor, cos: Tensor, sin: Tensor, bias: Tensor | None) -> Tensor:
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, bias)
        return self.norm(x)


class StoryModel(nn.Module):
    """A decoder with its head. Called with targets it returns the mean loss, else the logits."""

    def __init__(
        self, vocab_size: int, hidden_size: int, n_layers: int, n_heads: int, intermediate_size: int,
        tie_embeddings: bool, block_size: int, rope_theta: float = 10000.0,
    ):  # fmt: skip
        super().__init__()
        self.n_heads = n_heads
        self.model = Decoder(vocab_size, hidden_size, n_layers, n_heads, intermediate_size)
        self.lm_head = nn.Linear(hidden_size, vocab_size, bias=False)
        self._initialise(hidden_size, tie_embeddings)
        if tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        cos, sin = rotary_table(block_size, hidden_size // n_heads, rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def _initialise(self, hidden_size: int, tie_embeddings: bool) -> None:
        # Zero residual projections and, untied, a zero head: at the start each block passes its input on
        # and every token is equally likely. Embeddings that are not the head too begin large, so that what the
        # first steps add does not drown them.
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                continue
            if name.endswith(("o_proj.weight", "down_proj.weight", "lm_head.weight")):
                nn.init.zeros_(parameter)
            elif "embed" in name:
                nn.init.normal_(parameter, std=0.02 if tie_embeddings else 0.5)
            else:
                nn.init.uniform_(parameter, -((3 / hidden_size) ** 0.5), (3 / hidden_size) ** 0.5)

    def forward(self, ids: Tensor, targets: Tensor | None = None, documents: Tensor | None = None) -> Tensor:
        """`documents` (batch, time) numbers the stories of each row; attention stays within one."""
        batch, time = ids.shape
        on_cpu = ids.device.type == "cpu"
        dtype = torch.get_autocast_dtype(ids.device.type) if torch.is_autocast_enabled(ids.device.type) else torch.float32
        plain = on_cpu and dtype == torch.bfloat16
        bias = None
        if plain or documents is not None:
            bias = attention_bias(documents, batch, self.n_heads, time, dtype, ids.device)
        hidden = self.model(ids, self.cos[:time].to(dtype), self.sin[:time].to(dtype), bias)
        if targets is None:
            return self.lm_head(hidden)
        return linear_cross_entropy(hidden.flatten(0, 1).to(dtype), self.lm_head.weight, targets.flatten())


def build_model(config: TrainConfig, vocab_size: int) -> StoryModel:
    """The configured model, its weights drawn by torch's dice."""
    return StoryModel(
        vocab_size, config.hidden_size, config.n_layers, config.n_heads, config.intermediate_size,
        config.tie_embeddings, config.block_size, config.rope_theta,
    )  # fmt: skip

"""How well a run uses its devices: tokens a second, and of known GPUs the share of what they could compute (MFU)."""

from trainer.config import TrainConfig
from trainer.plan import count_parameters

# Dense bf16 operations a second, from the makers' data sheets; the first name that the device's holds counts.
PEAKS = {
    "B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L40": 181e12,
    "L4": 121e12, "A10": 125e12, "A40": 150e12, "RTX 5090": 210e12, "RTX 4090": 165e12, "RTX 3090": 71e12, "A6000": 155e12,
}  # fmt: skip


def operations_a_token(config: TrainConfig, vocab_size: int) -> float:
    """Multiplications and additions, forward and backward (Chowdhery et al. 2022), causal attention counted by half."""
    matrices = count_parameters(config, vocab_size)["non_embedding"] + vocab_size * config.hidden_size
    return 6 * matrices + 6 * config.n_layers * config.hidden_size * config.block_size


def throughput(config: TrainConfig, vocab_size: int, device: str, devices: int, tokens: int, seconds: float) -> dict[str, float]:
    """`tokens_per_second` of all devices, and `mfu` where the device's peak is known."""
    rate = tokens / seconds
    peak = next((peak for name, peak in PEAKS.items() if name in device), 0.0)
    found = {"tokens_per_second": round(rate, 1)}
    if peak and config.mixed_precision == "bf16":
        found["mfu"] = round(rate * operations_a_token(config, vocab_size) / (peak * devices), 4)
    return found

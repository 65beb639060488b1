"""What the weights alone say of training: the power-law exponent alpha of each matrix's spectrum.

Martin and Mahoney's heavy-tailed self-regularisation (arXiv 1810.01075), computed by their library weightwatcher: alpha
from 2 to 6 is usual for layers that have learnt, above 6 for those that have hardly, below 2 for those that overfit.
Small matrices have few eigenvalues, so that their alpha is rough.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import UserError
from backend.files import writing

WELL = (2.0, 6.0)


@dataclass(frozen=True)
class LayerAlpha:
    """One weight matrix: `distance` is Kolmogorov and Smirnov's of the fit, `tail` the eigenvalues it rests on."""

    model: str
    layer: str
    block: int | None
    kind: str
    rows: int
    columns: int
    alpha: float
    distance: float
    tail: int


def layer_alphas(folder: Path, name: str) -> list[LayerAlpha]:
    """Alpha of every weight matrix of a model folder.

    Raises UserError without the library, for a folder that holds no model, or when all matrices are too small.
    """
    try:
        logging.getLogger("weightwatcher").setLevel(logging.ERROR)
        from weightwatcher import WeightWatcher
    except ImportError:
        raise UserError("The analysis of weights needs its package: pip install weightwatcher.") from None
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"The model '{folder}' cannot be loaded ({str(error)[:200]}); give a model folder.") from None
    details = WeightWatcher(model=model, log_level=logging.ERROR).analyze(plot=False)
    if "alpha" not in details or details.empty:
        raise UserError(f"No weight matrix of '{folder}' has the 50 eigenvalues that a fit needs; the model is too small.")
    found = []
    tied = {"lm_head"} if model.config.tie_word_embeddings else set()
    for row in details[details["status"] == "success"].to_dict("records"):
        if row["name"] in tied:
            continue
        block = re.search(r"\.(\d+)\.", row["longname"])
        found.append(
            LayerAlpha(
                model=name,
                layer=row["longname"],
                block=int(block.group(1)) if block else None,
                kind=row["name"],
                rows=int(row["N"]),
                columns=int(row["M"]),
                alpha=float(row["alpha"]),
                distance=float(row["D"]),
                tail=int(row["num_pl_spikes"]),
            )
        )
    return found


def as_markdown(layers: Sequence[LayerAlpha]) -> str:
    """Mean alpha by model and kind of matrix, and the share of matrices within WELL."""
    by_model: dict[str, list[LayerAlpha]] = defaultdict(list)
    for layer in layers:
        by_model[layer.model].append(layer)
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    lines = [f"| model | mean alpha | {WELL[0]:g} … {WELL[1]:g} | " + " | ".join(kinds) + " |"]
    lines.append("| --- " * (len(kinds) + 3) + "|")
    for model, mine in by_model.items():
        cells = [_mean([layer.alpha for layer in mine if layer.kind == kind]) for kind in kinds]
        within = sum(WELL[0] <= layer.alpha <= WELL[1] for layer in mine)
        lines.append(f"| {model} | {_mean([x.alpha for x in mine])} | {within} of {len(mine)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(layers: Sequence[LayerAlpha], path: Path) -> None:
    """Alpha over depth, mean of a block's matrices, one line a model, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(*WELL, color="#3d8b40", alpha=0.12)
    for model in dict.fromkeys(layer.model for layer in layers):
        blocks: dict[int, list[float]] = defaultdict(list)
        for layer in layers:
            if layer.model == model and layer.block is not None:
                blocks[layer.block].append(layer.alpha)
        depths = sorted(blocks)
        axes.plot(depths, [sum(blocks[d]) / len(blocks[d]) for d in depths], marker="o", label=model.replace("$", r"\$"))
    axes.set_xlabel("layer")
    axes.set_ylabel("alpha, mean of its matrices")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize="small")
    with writing(path, "wb") as file:
        figure.savefig(file, format="svg")


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else "–"

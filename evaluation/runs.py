"""What is known of a run besides its ratings: `run.json` beside them, as `python -m evaluation run` writes it."""

import json
from pathlib import Path

from backend.errors import UserError


def read_run(folder: Path) -> dict:
    """The record in a folder; {} when there is none. Raises UserError for a broken one."""
    path = folder / "run.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it, and the run goes on from its other files.") from None


def configuration_of(model: Path) -> dict[str, int] | None:
    """Layers, heads and hidden size of a model folder; None where its config.json does not tell them."""
    try:
        config = json.loads((model / "config.json").read_text("utf-8"))
        names = {"layers": "num_hidden_layers", "heads": "num_attention_heads", "hidden": "hidden_size"}
        gpt2 = {"layers": "n_layer", "heads": "n_head", "hidden": "n_embd"}
        return {name: int(config[key] if key in config else config[gpt2[name]]) for name, key in names.items()}
    except (OSError, ValueError, KeyError):
        return None

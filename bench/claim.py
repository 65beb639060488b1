"""How a benchmark tells its result: a table for people, one JSON line for `python -m bench`."""

import json
import os
import platform
from importlib import metadata

from backend.processor import processor_name


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, the machine and the named packages, as they were measured."""
    found = {"python": platform.python_version(), "machine": f"{processor_name()}, {os.cpu_count()} cores"}
    return found | {package: metadata.version(package) for package in packages}


def tell(claim: str, figure: float, goal: float, holds: bool, peers: dict, packages: tuple[str, ...] = ()) -> None:
    """Print the closing JSON line. `figure` and `goal` are ratios or counts, as the claim says."""
    result = {"claim": claim, "figure": round(figure, 4), "goal": goal, "holds": holds, "peers": peers}
    print(json.dumps(result | {"versions": versions(*packages)}, ensure_ascii=False))

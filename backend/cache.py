"""Where what can be made again is kept."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """TINYSTORIES_CACHE, else a folder of the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinystories-regional"
    return Path(os.environ.get("TINYSTORIES_CACHE") or default)

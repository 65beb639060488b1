"""Training and validation rows, so that no validation story has a near copy among the training ones."""

import hashlib
from collections.abc import Sequence

import numpy as np


def validation_rows(ids: Sequence[str], clusters: np.ndarray, share: float, seed: int) -> np.ndarray:
    """(n,) bool: which rows are for validation, about `share` of them; rows of one cluster lie on one side.

    `clusters` (n,) is equal for rows that must stay together. Clusters are drawn in the order of a hash of the seed and
    the id of their first row, so the same rows and seed give the same split. One row at least is drawn where the share
    is above 0 and there are two clusters or more; a cluster that is too large for what is left is passed over.
    """
    chosen = np.zeros(len(ids), bool)
    found, firsts, sizes = np.unique(clusters, return_index=True, return_counts=True)
    wanted = max(1, round(share * len(ids))) if share > 0 and len(found) > 1 else 0
    drawn = []
    for place in sorted(range(len(found)), key=lambda place: _draw(seed, ids[firsts[place]])):
        if sizes[place] <= wanted:
            drawn.append(found[place])
            wanted -= sizes[place]
        if not wanted:
            break
    chosen[np.isin(clusters, drawn)] = True
    return chosen


def _draw(seed: int, id_: str) -> bytes:
    return hashlib.blake2b(f"{seed} {id_}".encode(), digest_size=8).digest()

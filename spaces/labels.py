"""The page's own words in the languages of the page, from labels.yaml."""

import functools
from pathlib import Path

import yaml


@functools.cache
def all_labels() -> dict[str, dict[str, str]]:
    """Every label by page language, then key."""
    return yaml.safe_load((Path(__file__).parent / "labels.yaml").read_text("utf-8"))


def labels(language: str) -> dict[str, str]:
    """The labels of one page language; English where it has none."""
    return all_labels()["english"] | all_labels().get(language, {})

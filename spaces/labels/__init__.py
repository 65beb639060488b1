"""The page's own words in the languages of the page: one file a language, named like the folder under languages/."""

import functools
from pathlib import Path

import yaml


@functools.cache
def all_labels() -> dict[str, dict]:
    """Every label by page language, then key. A key ending in `_choices` holds the texts of a choice's values."""
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def labels(language: str) -> dict:
    """The labels of one page language; English where it has none."""
    return all_labels()["english"] | all_labels().get(language, {})

"""Scores to a Hub on this machine: a private dataset of the report, and a section of a model's card there."""

import pytest

from evaluation.ratings import write_ratings
from tests.evaluation.conftest import run_command
from tests.evaluation.test_card import CARD
from tests.evaluation.test_report import rated
from tests.hub_server import hub_server


@pytest.fixture
def push(tmp_path):
    """A function that reports on ratings of `small` and pushes as it is told; and the Hub."""
    write_ratings(tmp_path / "r.jsonl", rated("small", 6, openings=6))
    with hub_server({"hf_right"}) as hub:
        variables = hub.environment | {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_right"}
        yield hub, lambda *more: run_command("report", tmp_path / "r.jsonl", "--out", tmp_path / "page", *more, **variables)


def test_a_report_becomes_a_private_dataset_and_a_section_of_the_model_s_card(push):
    hub, report = push
    hub.repos["org/small"] = {"README.md": CARD.encode(), "model.safetensors": b"weights"}
    done = report("--push-to", "org/scores", "--card-to", "org/small")
    assert done.returncode == 0, done.stderr
    assert {"report.html", "report.md", "report.json", "plots/1-radar.svg"} <= hub.repos["org/scores"].keys()
    shown = hub.repos["org/scores"]["README.md"].decode()
    assert shown.startswith("---\n") and "| small | 6 |" in shown and "![radar](plots/1-radar.svg)" in shown
    assert [(made["name"], made["visibility"]) for made in hub.made] == [("scores", "private")]
    card = hub.repos["org/small"]["README.md"].decode()
    assert "model-index" in card and "Words of its maker." in card and "| small | 6 |" in card
    assert hub.repos["org/small"]["model.safetensors"] == b"weights"
    assert "hf_right" not in done.stdout + done.stderr


def test_a_model_that_is_not_there_is_told(push):
    hub, report = push
    done = report("--card-to", "org/nobody")
    assert done.returncode == 1 and "Error: " in done.stderr and "Traceback" not in done.stderr
    assert not hub.made

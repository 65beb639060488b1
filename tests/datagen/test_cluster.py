"""Shards on a Ray cluster of two workers, one of which is lost. Needs `pip install -r requirements-extra.txt`."""

import importlib.util
import os
import subprocess
import sys
import time

import pytest

from backend.errors import UserError
from backend.llm.journal import Journal
from datagen.progress import progress
from tests.backend.llm.conftest import FaultServer

COUNT = 60
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not os.environ.get("TEST_RAY"), reason="takes a minute: pip install ray, and set TEST_RAY=1"
)


@pytest.fixture
def cluster(monkeypatch):
    """A head that runs nothing, and two workers of one core."""
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "180", "RAY_process_startup_timeout_ms": "180000"}.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@needs_ray
def test_a_lost_workers_shard_is_taken_over_where_its_journal_stopped(cluster, tmp_path):
    server, path = FaultServer("--delay", "0.5"), tmp_path / "all.sqlite"
    line = ["stories", "english", "--count", COUNT, "--provider", "openai", "--model", "m", "--base-url", server.url, "--concurrency", 2]
    line += ["--journal", path, "--ray", cluster.address, "--shards", 2]
    driver = subprocess.Popen([sys.executable, "-m", "datagen", *map(str, line)], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 240
        while sum(server.stats()["good"].values()) < COUNT // 3:
            assert time.monotonic() < until and driver.poll() is None, driver.stderr.read()
            time.sleep(0.1)
        cluster.remove_node(cluster.workers[0], allow_graceful=False)
        lost_at = sum(server.stats()["good"].values())
        _, told = driver.communicate(timeout=240)
    finally:
        driver.kill()
        good = server.stats()["good"]
        server.stop()
    assert driver.returncode == 0, told
    with Journal.read(path) as journal:
        found = progress(journal)
    assert (found["prompts"], found["accepted"], found["pending"]) == (COUNT, COUNT, 0)
    assert lost_at < COUNT and len(good) == COUNT
    assert sum(times - 1 for times in good.values()) <= 4, "more was paid for twice than was under way"


def test_without_a_cluster_it_is_told_in_a_sentence(monkeypatch, tmp_path):
    from datagen import cluster

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="requirements-extra"):
        cluster.run_shards("auto", "datagen.stories:stories", [], 2, tmp_path / "a.sqlite")
    with Journal.create_or_open(tmp_path / "b.sqlite") as journal:
        journal.set_meta("plans", {})
    with pytest.raises(UserError, match="was not joined of shards"):
        cluster.run_shards("auto", "datagen.stories:stories", [], 2, tmp_path / "b.sqlite")

"""Workers with few threads share the cores out among them, and stay where they are sent."""

import os
import subprocess
import sys

from backend.slm.cores import Cores

BOUND = """
import os, threading
from backend.slm.cores import stay_on
over = threading.Event()
other = threading.Thread(target=over.wait)
other.start()
stay_on([CORE])
print([sorted(os.sched_getaffinity(thread)) for thread in (0, other.native_id)])
over.set()
"""


def test_each_goes_where_fewest_others_are():
    cores = Cores([3, 1, 2])
    first, second = cores.take(1), cores.take(1)
    assert (first, second) == ([1], [2])
    assert cores.take(2) == [3, 1]
    cores.give_back(second)
    assert cores.take(1) == [2]


def test_who_computes_on_all_cores_is_bound_to_none():
    assert Cores([0, 1]).take(2) == []


def test_every_thread_of_a_process_stays_on_its_cores():
    core = min(os.sched_getaffinity(0))
    code = BOUND.replace("CORE", str(core))
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str([[core], [core]])

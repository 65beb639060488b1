"""A room full of visitors leaves little behind in the app's memory."""

import tracemalloc

from starlette.routing import Mount

from backend.slm.shelf import Models
from spaces.server import build_app

TABS = 20


def test_a_tab_that_was_opened_takes_little_memory():
    app = build_app(Models([]))
    page = next(route.app for route in app.routes if isinstance(route, Mount)).get_blocks()
    page.state_holder["the first"]
    tracemalloc.start()
    try:
        for number in range(TABS):
            page.state_holder[f"tab {number}"]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / TABS < 50_000

"""A visitor of the app as its page is one: Gradio's queue, its stream of events, and the heartbeat that tells of a closed tab."""

import asyncio
import contextlib
import json
import re
import secrets
import time
from dataclasses import dataclass, field

import httpx

_PROBLEM = re.compile(r'class="message problem"[^>]*>([^<]*)<')


@dataclass
class Seen:
    """What all visitors met. Times in seconds."""

    told: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)
    first_words: list[float] = field(default_factory=list)
    unexplained: int = 0  # stories without an end or a reason


class Button:
    """The page's button that has a story told: its event's number, and the values that a visitor leaves as they are."""

    def __init__(self, config: dict):
        components = {component["id"]: component["props"] for component in config["components"]}
        names = {props.get("elem_id"): number for number, props in components.items() if props.get("elem_id")}
        events = [e for e in config["dependencies"] if e["backend_fn"] and [names["write"], "click"] in map(list, e["targets"])]
        self.number, self.trigger = events[0]["id"], names["write"]
        self._values = [components[number].get("value") for number in events[0]["inputs"]]
        self._places = {name: events[0]["inputs"].index(names[name]) for name in ("opening", "language", "model")}
        self.story = events[0]["outputs"].index(names["story"])

    def values(self, **chosen: str) -> list:
        """The values that are sent."""
        values = list(self._values)
        for name, value in chosen.items():
            values[self._places[name]] = value
        return values


async def visit(client: httpx.AsyncClient, button: Button, seen: Seen, patience: float, **chosen: str) -> None:
    """Have one story told and look at it; after `patience` seconds the tab is closed. Adds to `seen`."""
    session, started = secrets.token_hex(6), time.perf_counter()
    async with client.stream("GET", f"/gradio_api/heartbeat/{session}"):
        body = {
            "data": button.values(**chosen), "fn_index": button.number, "session_hash": session, "trigger_id": button.trigger,
            "event_data": None,
        }  # fmt: skip
        answer = await client.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            seen.problems.append(f"{answer.status_code}: {answer.text[:100]}")
            return
        try:
            async with asyncio.timeout(patience):
                shown = await _shown(client, button, session, started, chosen["opening"], seen)
        except TimeoutError:
            seen.left += 1
            return
        if problem := _PROBLEM.search(shown):
            seen.problems.append(problem.group(1))
        else:
            seen.told += 1
            seen.unexplained += "<footer>" not in shown or 'aria-busy="true"' in shown


async def _shown(client, button: Button, session: str, started: float, opening: str, seen: Seen) -> str:
    """The story's HTML at the end. Raises RuntimeError when the event failed."""
    from gradio_client.utils import apply_diff

    pending, shown, waiting = None, "", True
    async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        async for line in stream.aiter_lines():
            if not line.startswith("data:"):
                continue
            event = json.loads(line[5:])
            if event["msg"] == "process_generating":
                if not event.get("success", True):
                    seen.problems.append(str(event["output"].get("error")))
                    break
                data = event["output"]["data"]
                if pending is None:
                    pending = data
                else:
                    pending = [apply_diff(old, change) for old, change in zip(pending, data, strict=True)]
                if isinstance(pending[button.story], str):
                    shown = pending[button.story]
                text = re.sub(r"<[^>]*>", "", shown)
                if waiting and len(text) > len(opening) + 3 and "caret" in shown:
                    seen.first_words.append(time.perf_counter() - started)
                    waiting = False
            elif event["msg"] in ("process_completed", "close_stream", "unexpected_error"):
                if event["msg"] == "unexpected_error" or not event.get("success", True):
                    seen.problems.append(str(event.get("message") or event.get("output"))[:150])
                break
    return shown


async def crowd(address: str, visitors: int, seconds: float, dice, choose, seen: Seen) -> None:
    """So many visitors at once, each with stories one after the other and pauses between; a tenth closes the tab early.

    `choose(dice)` gives opening, language and model.
    """
    limits, until = httpx.Limits(max_connections=None), time.perf_counter() + seconds
    async with httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(120, read=None), limits=limits) as client:
        button = Button((await client.get("/config")).json())

        async def live() -> None:
            await asyncio.sleep(dice.uniform(0, 20))
            while time.perf_counter() < until:
                patience = dice.uniform(0.2, 4) if dice.random() < 0.1 else 300
                with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
                    await visit(client, button, seen, patience, **choose(dice))
                await asyncio.sleep(dice.uniform(2, 15))

        tasks = [asyncio.create_task(live()) for _ in range(visitors)]
        await asyncio.wait(tasks, timeout=seconds + 120)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                seen.problems.append(f"{type(result).__name__}: {result}"[:150])

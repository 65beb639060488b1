"""What headers say, the pace that is kept, and how concurrency is found."""

import bisect
import random

import pytest

from backend.llm.concurrency import Concurrency
from backend.llm.lane import Lane, Limits
from backend.llm.pace import Pace
from backend.llm.prices import load_prices, price_of
from backend.llm.rate_headers import allowance, duration, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0),
        ({"retry-after": "Fri, 01 Jan 2100 00:01:40 GMT", "date": "Fri, 01 Jan 2100 00:01:00 GMT"}, 40),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(headers, seconds):
    assert retry_after(headers, now=60.0) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("120ms", 0.12), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("2d1h", 176400), ("7.66", 7.66), ("x", None), ("", None)]
)
def test_durations_as_endpoints_write_them(text, seconds):
    assert duration(text) == seconds


def limit(kind, limit, remaining, reset):
    return {f"x-ratelimit-limit-{kind}": limit, f"x-ratelimit-remaining-{kind}": remaining, f"x-ratelimit-reset-{kind}": reset}


def test_limits_of_a_minute_are_a_pace_and_limits_of_a_day_are_not():
    openai = allowance({**limit("requests", "500", "499", "120ms"), **limit("tokens", "200000", "199000", "300ms")})
    assert (openai.requests_per_minute, openai.tokens_per_minute) == (500, 200000)
    groq = allowance({**limit("requests", "14400", "14370", "2m59.56s"), **limit("tokens", "18000", "17997", "7.66ms")})
    assert (groq.requests_per_minute, groq.tokens_per_minute) == (None, 18000)
    used_up = allowance(limit("requests", "14400", "0", "24h0m0s"))
    assert used_up.requests_per_minute is None and used_up.pause == pytest.approx(6)
    assert allowance({"content-type": "application/json"}) is None
    assert allowance(limit("requests", "many", "", "")) is None


@pytest.mark.parametrize("rate", [6, 600, 6000])
def test_no_minute_has_more_than_its_limit_and_little_is_wasted(rate):
    pace, now, times, dice = Pace(rate), 0.0, [], random.Random(1)
    while now < 240:
        wait = pace.wait(now)
        if wait > 0:
            now += wait + dice.random() * 0.01  # a loop that wakes up late
            continue
        pace.take(now)
        times.append(now)
    for start in range(0, len(times), max(1, len(times) // 50)):
        assert sum(times[start] <= time < times[start] + 60 for time in times) <= rate
    assert len([time for time in times if time < 180]) >= 0.98 * rate * 3


def sent(pace: Pace, seconds: float, begin: float = 0.0) -> list[float]:
    """When units go that are always waiting."""
    now, times = begin, []
    while (now := now + pace.wait(now)) < begin + seconds:
        pace.take(now)
        times.append(now)
    return times


def busiest_minute(times: list[float]) -> int:
    times = sorted(times)
    return max(bisect.bisect_left(times, start + 60) - place for place, start in enumerate(times))


def test_an_endpoint_counts_no_minute_above_its_limit_though_first_calls_are_longer_on_their_way():
    times = sent(Pace(6000), 180)
    arrivals = [time + (0.49 if number < 200 else 0.0) for number, time in enumerate(times)]
    assert busiest_minute(arrivals) <= 6000 and len(times) >= 0.97 * 3 * 6000


def test_nothing_goes_in_a_burst_at_the_start():
    assert len(sent(Pace(6000), 1.0)) <= 100  # some endpoints keep the limit of a minute by the second


def test_calls_before_a_limit_was_known_are_part_of_its_minute():
    pace = Pace(None)
    for number in range(64):
        pace.take(number / 100)
    pace.limit(500, 1.0)
    assert busiest_minute([number / 100 for number in range(64)] + sent(pace, 120, 1.0)) <= 500


def test_a_call_that_was_sent_in_three_forms_counts_as_three():
    once, thrice = Lane(Endpoint(), Limits(requests_per_minute=60)), Lane(Endpoint(), Limits(requests_per_minute=60))
    for lane in (once, thrice):
        lane.begin(0.0, 10)
    thrice.repeated(2)
    assert thrice.wait(0.0, 10) == pytest.approx(once.wait(0.0, 10) + 2, abs=0.1)


def test_what_was_expected_wrongly_is_settled():
    pace = Pace(6000)
    pace.take(0.0, 3000)
    pace.settle(-3000)
    assert pace.wait(0.0, 10) == 0
    pace.settle(1000)
    assert pace.wait(0.0, 1) == pytest.approx(10, abs=0.3)


def served(concurrency: Concurrency, capacity: int, seconds: float, calls: int) -> None:
    """A server that serves `capacity` calls at once in so many seconds, and lets others queue."""
    now = 0.0
    for _ in range(calls):
        width = int(concurrency.limit)
        latency = seconds * max(1.0, width / capacity)
        now += latency / width
        concurrency.answered(now, latency, busy=True)


@pytest.mark.parametrize("capacity", [1, 40, 500])
def test_concurrency_finds_what_a_server_can_take(capacity):
    concurrency = Concurrency(start=16, ceiling=1024)
    served(concurrency, capacity, seconds=2.0, calls=20_000)
    assert concurrency.limit >= 0.9 * capacity
    assert concurrency.limit <= max(3 * capacity, 33)


def test_concurrency_shrinks_on_faults_and_stays_where_nothing_waits():
    concurrency = Concurrency(start=100)
    for number in range(400):
        concurrency.failed(now=number / 10)
    assert concurrency.limit < 50
    idle = Concurrency(start=100)
    for number in range(1000):
        idle.answered(number / 10, 1.0, busy=False)
    assert idle.limit == 100


class Endpoint:
    name, model, endpoint = "x", "m", "http://x"


def test_a_429_pauses_the_lane_and_a_dead_endpoint_is_tried_by_one_call():
    lane = Lane(Endpoint(), Limits())
    lane.begin(0, 10)
    lane.end()
    lane.rate_limited(0.0, retry_after=5)
    assert lane.wait(4.9, 10) > 0 and lane.wait(6.0, 10) == 0
    for number in range(10):
        lane.failed(10.0 + number, "down", None)
    assert lane.is_dead and lane.wait(30.0, 10) == 0
    lane.begin(30.0, 10)
    assert lane.wait(30.0, 10) is None
    lane.end()
    lane.answered(31.0, 1.0, 0.0, None)
    assert not lane.is_dead


def test_an_endpoint_that_says_at_once_and_answers_nobody_is_asked_ever_more_rarely():
    lane, now, asked = Lane(Endpoint(), Limits()), 0.0, 0
    while now < 600:
        now += max(lane.wait(now, 10), 0.001)
        lane.begin(now, 10)
        lane.end()
        lane.rate_limited(now, retry_after=0.0)
        asked += 1
    assert asked < 700


def test_prices_match_the_longest_name():
    prices = load_prices()
    assert price_of("gpt-4o-mini-2024-07-18", prices) == prices["gpt-4o-mini"]
    assert price_of("openai/gpt-4o", prices) == prices["gpt-4o"]
    assert price_of("gpt-4omega", prices) is None

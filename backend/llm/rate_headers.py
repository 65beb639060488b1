"""What response headers say of rate limits: `Retry-After` and the `x-ratelimit-*` family of OpenAI and its kin."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from backend.llm.provider import Allowance

# Limits are told as "so many, full again in so long"; of what period is told nowhere and follows from the refill.
_PERIODS = (60.0, 3600.0, 86400.0)
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After`, which holds seconds or an HTTP date; None without either.

    A date is compared with the endpoint's own `Date` where it tells one, for the clocks may differ; else with `now`.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    text = (headers.get("retry-after") or "").strip()
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    until, told = _date(text), _date(headers.get("date") or "")
    if until is None:
        return None
    return max(0.0, until - (told if told is not None else time.time() if now is None else now))


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """Limits a minute that the headers tell; None when they tell none.

    A limit of an hour or a day is no pace to keep, but asks for a pause when nothing of it is left.
    """
    rates, pause = {}, None
    for kind in ("requests", "tokens"):
        limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
        if not limit or limit <= 0:
            continue
        remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
        reset = duration(headers.get(f"x-ratelimit-reset-{kind}"))
        period = 60.0
        if remaining is not None and reset and remaining < limit:
            refill = limit * reset / (limit - remaining)
            period = min(_PERIODS, key=lambda known: abs(known - refill) / known if known < refill else (known - refill) / refill)
        if period == 60.0:
            rates[kind] = limit
        elif remaining == 0 and reset:
            pause = max(pause or 0.0, period / limit)
    if not rates and pause is None:
        return None
    return Allowance(rates.get("requests"), rates.get("tokens"), pause)


def duration(text: str | None) -> float | None:
    """Seconds of a duration such as `120ms`, `6m0s`, `1h2m3.5s` or `7.66`."""
    text = (text or "").strip()
    if (seconds := _number(text)) is not None:
        return seconds
    match = _DURATION.fullmatch(text)
    if not text or not match:
        return None
    days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None

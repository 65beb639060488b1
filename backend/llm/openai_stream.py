"""The chunks of a streamed chat completion, put together as the whole that an unstreamed call answers with."""

import orjson


def whole_of(stream: bytes) -> dict:
    """The completion of the server-sent events of a stream; an `error` event is its `error`.

    `finish_reason` is None where the stream ends before its end. Raises ValueError, LookupError, TypeError or
    AttributeError for what is no such stream.
    """
    parts, refusals, finish, usage = [], [], None, None
    for event in _events(stream):
        if event == b"[DONE]":
            break
        chunk = orjson.loads(event)
        if chunk.get("error"):
            return {"error": chunk["error"]}
        usage = chunk.get("usage") or usage
        for choice in (chunk.get("choices") or [])[:1]:
            delta = choice.get("delta") or {}
            parts.append(delta.get("content") or "")
            refusals.append(delta.get("refusal") or "")
            finish = choice.get("finish_reason") or finish
    message = {"content": "".join(parts), "refusal": "".join(refusals)}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _events(stream: bytes):
    """The data of each event; an event ends with an empty line, and may have several lines of data."""
    data: list[bytes] = []
    for line in (*stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), b""):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []

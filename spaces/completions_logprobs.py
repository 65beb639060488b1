"""OpenAI's `logprobs` of a completion: what harnesses score texts by, and students look at."""

import codecs
from collections.abc import Sequence

from backend.slm.reading import TokenReading


def logprobs_of(readings: Sequence[TokenReading], table: Sequence[bytes], top: int, length: int | None) -> dict:
    """The fields of OpenAI's `logprobs`, of tokens that begin before `length` characters of the text they make, or of all.

    Probabilities are the model's own, before temperature and the cuts of the settings. `table` holds the bytes of each id.
    A token that is none of the text, such as eos, stands at the end.
    """
    found = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    decoder, offset = codecs.getincrementaldecoder("utf-8")("ignore"), 0
    for reading in readings:
        content = table[reading.id] if reading.id < len(table) else b""
        if length is not None and offset >= length:
            break
        found["tokens"].append(token_name(reading.id, table))
        found["token_logprobs"].append(reading.log_probability)
        likeliest = {token_name(token, table): score for token, score in reading.likeliest[:top]}
        if reading.log_probability is not None:
            likeliest.setdefault(token_name(reading.id, table), reading.log_probability)
        found["top_logprobs"].append(likeliest or None)
        found["text_offset"].append(offset)
        offset += len(decoder.decode(content))
    return found


def token_name(token: int, table: Sequence[bytes]) -> str:
    """A token's text; as OpenAI writes it where it is half a letter; its number where it is none."""
    content = table[token] if token < len(table) else b""
    if not content:
        return f"<token {token}>"
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)

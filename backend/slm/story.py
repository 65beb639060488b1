"""One story as it grows: its text, and when and why it ends."""

from collections.abc import Sequence

from backend.slm.sampling import Completion, Sampling
from backend.slm.text import GraphemeStream, ends_sentence


class Story:
    """Takes the ids that the model draws and gives out text.

    It ends at eos; at max_tokens, or at the end of the sentence under way there; where the context is full; or when it is
    stopped.
    """

    def __init__(self, opening: str, sampling: Sampling, token_bytes: list[bytes], eos_id: int, owner: str = ""):
        self.opening, self.sampling, self.owner = opening, sampling, owner
        self.ids: list[int] | None = None  # the prompt's, where it was given as ids
        self.request = None  # the engine's, once it has begun
        self.text, self.tokens, self.reason = "", 0, ""
        self.room = sampling.max_tokens  # tokens that the model's context leaves for it, where those are fewer
        self.told: list[int] = []  # the ids of its tokens
        self._eos_id = eos_id
        self._stream = GraphemeStream(token_bytes)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.reason)

    @property
    def ahead(self) -> int:
        """How many stories begin before this one; 0 once it has begun."""
        return self.request.ahead if self.request else 0

    def push(self, ids: Sequence[int] | None) -> str:
        """The text that these ids add; None says that the engine gives no more."""
        before = len(self.text)
        if ids is None:
            self._end("length" if self.tokens >= min(self.room, self.sampling.max_tokens) else "stopped")
        elif self.tokens + len(ids) < self.sampling.max_tokens and self._eos_id not in ids:
            self.tokens += len(ids)
            self.told += ids
            self.text += self._stream.push(ids)
        else:
            for token in ids:
                self._take(token)
        return self.text[before:]

    def stop(self) -> str:
        """End the story here; the text that was held back is given out."""
        before = len(self.text)
        self._end("stopped")
        return self.text[before:]

    def completion(self) -> Completion:
        """The story as told so far."""
        return Completion(self.text, self.reason == "eos", self.tokens, self.reason or "stopped")

    def _take(self, token: int) -> None:
        if self.ended:
            return
        if token == self._eos_id:
            self._end("eos")
            return
        self.tokens += 1
        self.told.append(token)
        self.text += self._stream.push([token])
        if self.tokens >= self.sampling.max_tokens:
            if not self.sampling.finish_sentence:
                self._end("length")
            elif ends_sentence(self.text + self._stream.held):
                self._end("sentence")

    def _end(self, reason: str) -> None:
        if not self.reason:
            self.reason = reason
            self.text += self._stream.flush()

"""What programs ask `/v1/completions` for, checked, and the form in which they are refused."""

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as PydanticField

from backend.slm.sampling import Sampling

_MOST_CHOICES = 64


class Refusal(Exception):
    """An answer in OpenAI's form of an error."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None):
        super().__init__(message)
        kind = "invalid_request_error" if status < 500 else "server_error"
        error = {"message": message, "type": kind, "param": param, "code": code}
        headers = {"Retry-After": "5"} if status in (429, 503) else {}
        self.response = JSONResponse({"error": error}, status, headers)


class Asked(BaseModel):
    """The body of a request: OpenAI's fields, and vLLM's names for what OpenAI has not."""

    model_config = ConfigDict(extra="ignore")

    model: str
    prompt: str | list[str] | list[int] | list[list[int]] = ""
    max_tokens: int | None = 16
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    n: int | None = PydanticField(1, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = False
    stream_options: dict | None = None
    echo: bool | None = False
    logprobs: int | None = PydanticField(None, ge=0, le=20)
    best_of: int | None = None
    frequency_penalty: float | None = 0.0
    presence_penalty: float | None = 0.0
    logit_bias: dict | None = None
    suffix: str | None = None
    top_k: int | None = 0
    min_p: float | None = 0.0
    repetition_penalty: float | None = 1.0

    def prompts(self) -> list[str | list[int]]:
        """Each prompt as text or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return [self.prompt] if self.prompt and isinstance(self.prompt[0], int) else list(self.prompt)

    @property
    def each(self) -> int:
        """Completions of each prompt."""
        return self.n or 1

    @property
    def only_reads(self) -> bool:
        """Whether nothing is to be written: the prompts themselves are asked for, to be scored."""
        return bool(self.echo) and self.max_tokens == 0

    def unserved(self) -> str:
        """The first of the fields given that these models do not serve, or ''."""
        given = {
            "suffix": self.suffix, "frequency_penalty": self.frequency_penalty, "presence_penalty": self.presence_penalty,
            "logit_bias": self.logit_bias, "best_of": (self.best_of or 0) > self.each,
        }  # fmt: skip
        return next((name for name, value in given.items() if value), "")

    def stops(self) -> list[str]:
        """The stop strings."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    def sampling(self) -> Sampling:
        """The settings of a story. Raises UserError for one out of bounds."""

        def given(value, default):
            return default if value is None else value

        # A program that asks for so many tokens gets so many: no sentence is finished beyond them.
        return Sampling(
            given(self.temperature, 1.0), max(0, given(self.top_k, 0)), given(self.top_p, 1.0), given(self.min_p, 0.0),
            given(self.repetition_penalty, 1.0), 1 if self.only_reads else given(self.max_tokens, 16), finish_sentence=False,
        )  # fmt: skip


def parsed(body: object) -> Asked:
    """The request of a JSON body. Raises Refusal for one that cannot be served."""
    try:
        asked = Asked.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise Refusal(400, f"'{name}': {first['msg']}.", param=name or None) from None
    if name := asked.unserved():
        raise Refusal(400, f"'{name}' is not offered here; leave it out.", param=name)
    if asked.logprobs is not None and asked.stream:
        raise Refusal(400, "'logprobs' come with a whole answer alone; leave out 'stream'.", param="logprobs")
    choices = len(asked.prompts()) * asked.each
    if not 1 <= choices <= _MOST_CHOICES:
        raise Refusal(400, f"A request has between 1 and {_MOST_CHOICES} completions, prompts times n; this has {choices}.")
    return asked

"""Any endpoint that speaks OpenAI's chat completions."""

import itertools
import math
import os
import urllib.parse
from collections.abc import Callable
from dataclasses import replace

import orjson

from backend.errors import UserError
from backend.llm.http_transport import HttpTransport, Reply
from backend.llm.openai_stream import whole_of
from backend.llm.provider import Completion, Fatal, ProviderError, RateLimited, Refused, Timeouts, Transient
from backend.llm.rate_headers import allowance, retry_after

OPENAI_URL = "https://api.openai.com/v1"
_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_DECLINED = {"status 400", "status 415", "status 422"}
_PERHAPS_DECLINED = {"status 500", "status 501"}
_STATUS_OF = {"rate_limit_exceeded": 429, "insufficient_quota": 402, "invalid_api_key": 401}  # of codes that are words
_MOST_TOKENS = 1 << 40  # that any usage is believed to be


def make(choice, transport: Callable = HttpTransport) -> list["OpenAIProvider"]:
    """One for each base URL of the choice."""
    if choice.model is None:
        raise UserError("--provider openai needs a --model, such as gpt-4o-mini, or the name that your server gives it.")
    return [
        OpenAIProvider(choice.model, url, headers=choice.headers, timeouts=choice.timeouts, stream=choice.stream, transport=transport)
        for url in choice.base_urls or (None,)
    ]


def make_official(choice) -> list["OpenAIProvider"]:
    """The same through OpenAI's own client."""
    from backend.llm.official_transport import OfficialTransport

    return make(choice, OfficialTransport)


class OpenAIProvider:
    """One base URL and model. Structured output is asked for as far as the endpoint has shown that it can do it."""

    name = "openai"

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        headers: dict[str, str] | None = None,
        timeouts: Timeouts | None = None,
        stream: bool = False,
        transport: Callable = HttpTransport,
    ):
        """The key comes from `OPENAI_API_KEY` unless given. Raises UserError for a bad URL or a missing key."""
        self.model, self.stream = model, stream
        self._url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        self.endpoint = shown_url(self._url)
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or ""
        if not self._key and urllib.parse.urlsplit(self._url).hostname == "api.openai.com":
            raise UserError(f"{self.endpoint} needs a key; put it into the environment variable OPENAI_API_KEY.")
        self._headers = headers or {}
        self._visits = api_key is not None  # the key is a visitor's, who knows of no environment
        sent = {"User-Agent": "tinystories-regional", **({"Authorization": f"Bearer {self._key}"} if self._key else {}), **self._headers}
        self._transport = transport(_completions_url(self._url), sent, timeouts or Timeouts())
        self._rung, self._proven, self._strikes = 0, False, 0  # how plain a response format must be, and whether it worked
        self._unknown: set[str] = set()  # parameters that this model declines

    async def complete(self, messages, *, max_tokens=None, temperature=None, response_format=None) -> Completion:
        """One answer. Raises RateLimited, Transient, Refused or Fatal."""
        ladder = _ladder(response_format)
        for calls in itertools.count(1):
            rung = min(self._rung, len(ladder) - 1)
            try:
                done = await self._send(self._body(messages, max_tokens, temperature, ladder[rung]))
            except _Declined as declined:
                self._unknown.add(declined.parameter)
            except ProviderError as error:
                if response_format is None or not self._steps_down(error, rung, len(ladder)):
                    error.calls = calls
                    raise
            else:
                if response_format is not None and (not self._proven or rung < self._rung):
                    self._rung, self._proven = rung, True
                return done if calls == 1 else replace(done, calls=calls)

    def _steps_down(self, error: ProviderError, rung: int, rungs: int) -> bool:
        """Whether to ask at once with a plainer response format; a format that was ever answered is kept."""
        if self._proven or rung < self._rung or rung + 1 == rungs:
            return rung < self._rung and not self._proven
        if error.reason in _DECLINED:
            self._rung, self._strikes = rung + 1, 0
            return True
        if error.reason in _PERHAPS_DECLINED:
            # Some servers answer 500 to a format that they do not know; one such answer may be any fault.
            self._strikes += 1
            if self._strikes == 3:
                self._rung, self._strikes = rung + 1, 0
        return False

    async def close(self) -> None:
        """Close connections; a later `complete` opens new ones."""
        await self._transport.close()

    def _body(self, messages, max_tokens, temperature, response_format) -> dict:
        body = {"model": self.model, "messages": messages}
        if max_tokens is not None:
            body["max_completion_tokens" if "max_tokens" in self._unknown else "max_tokens"] = max_tokens
        if temperature is not None and "temperature" not in self._unknown:
            body["temperature"] = temperature
        if response_format is not None:
            body["response_format"] = response_format
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    async def _send(self, body: dict) -> Completion:
        try:
            reply = await self._transport.post(body)
        except Transient as error:
            raise Transient(self._clean(f"{self.endpoint}: {error}"), error.reason) from None
        if reply.status == 200:
            return self._completion(reply)
        error = _error_in(reply)
        if declined := _declined_parameter(reply.status, error, body):
            raise _Declined(declined)
        raise self._typed(reply, error)

    def _completion(self, reply: Reply) -> Completion:
        try:
            # Some servers know no streams, others nothing else.
            may_stream = self.stream or "event-stream" in reply.headers.get("content-type", "")
            streamed = may_stream and not reply.content.lstrip().startswith(b"{")
            answer = whole_of(reply.content) if streamed else orjson.loads(reply.content)
            if isinstance(answer, dict) and answer.get("error"):
                raise self._told_within(reply, answer["error"])
            choice = answer["choices"][0]
            message, finish, usage = choice["message"], choice.get("finish_reason"), answer.get("usage")
            text, refusal = _text(message.get("content")), message.get("refusal")
        except (ValueError, LookupError, TypeError, AttributeError):
            kind = reply.headers.get("content-type", "no content type")
            raise Transient(f"{self.endpoint} answered with no completion ({kind})", "unreadable answer") from None
        if streamed and finish is None:
            raise Transient(f"{self.endpoint} broke a stream off", "stream broken off")
        if finish == "content_filter":
            raise Refused(f"{self.endpoint} filtered the answer", "content filter")
        if refusal and not text:
            raise Refused(self._clean(str(refusal))[:500], "refused")
        usage = usage if isinstance(usage, dict) else {}
        return Completion(
            text, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _money(usage.get("cost")),
            str(finish or ""), allowance(reply.headers),
        )  # fmt: skip

    def _told_within(self, reply: Reply, error) -> ProviderError:
        """An error in an answer, or in the midst of a stream, whose status says that all is well."""
        error = error if isinstance(error, dict) else {"message": str(error)}
        code = str(error.get("code"))
        status = _STATUS_OF.get(code) or (int(code) if code.isdecimal() and len(code) == 3 else 0)
        if 400 <= status < 600:
            return self._typed(replace(reply, status=status), error)
        return Transient(self._clean(f"{self.endpoint}: {_message(error)}"), "server error")

    def _typed(self, reply: Reply, error: dict) -> ProviderError:
        status, headers = reply.status, reply.headers
        message = self._clean(f"{self.endpoint} answered {status}: {_message(error)}")
        code = str(error.get("code") or "")
        if code in _NO_MONEY or status == 402:
            return Fatal(message, "no money", "pay in, or raise the limit of your account")
        if status == 429:
            return RateLimited(message, retry_after(headers), allowance(headers))
        if status in (401, 403):
            return Fatal(message, "not allowed", self._about_the_key())
        if status == 404:
            return Fatal(message, "not found", "check --model and --base-url")
        if 300 <= status < 400:
            # Not followed: the key and the text would go where nobody has sent them.
            place = urllib.parse.urljoin(_completions_url(self._url), headers.get("location", ""))
            moved = f"{self.endpoint} answered {status}: it has moved to {_shown(place).removesuffix('/chat/completions')}"
            return Fatal(self._clean(moved), "moved", "give that as --base-url if you trust it")
        if code in ("content_filter", "content_policy_violation") or "content_filter" in message:
            return Refused(message, "content filter")
        if status in (408, 409, 425) or status >= 500:
            return Transient(message, f"status {status}", retry_after(headers))
        if 400 <= status < 500:
            return Refused(message, f"status {status}")
        return Transient(message, f"status {status}")

    def _about_the_key(self) -> str:
        if self._visits or self._key or self._headers:
            return "check your key"
        return "put your key into the environment variable OPENAI_API_KEY"

    def _clean(self, message: str) -> str:
        """A message without keys: servers like to send them back."""
        for secret in (self._key, *self._headers.values(), urllib.parse.urlsplit(self._url).password):
            if secret and len(secret) > 3:
                message = message.replace(secret, "***")
        return message[:1000]


class _Declined(Exception):
    """An optional parameter is not known to this model; without it the same may be asked again."""

    def __init__(self, parameter: str):
        self.parameter = parameter


def _declined_parameter(status: int, error: dict, body: dict) -> str | None:
    """The optional parameter that a 400 complains of, when leaving it out can help."""
    if status not in (400, 422):
        return None
    message = _message(error)
    for name in ("max_tokens", "temperature"):
        if name in body and (error.get("param") == name or f"'{name}'" in message):
            return name
    return None


def _ladder(wanted: dict | None) -> list[dict | None]:
    """The response format that is wanted, then ever plainer ones, down to none."""
    if wanted is None:
        return [None]
    if wanted.get("type") != "json_schema":
        return [wanted, None]
    return [wanted, {"type": "json_object", "schema": wanted["json_schema"]["schema"]}, {"type": "json_object"}, None]


def _error_in(reply: Reply) -> dict:
    """The error object of a reply; where there is none, its text as the message."""
    try:
        told = orjson.loads(reply.content)
    except ValueError:
        return {"message": reply.content[:500].decode("utf-8", "replace")}
    told = told.get("error") or told if isinstance(told, dict) else told
    return told if isinstance(told, dict) else {"message": str(told)}


def _message(error) -> str:
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error)[:500]


def _text(content) -> str:
    """The text of a message, which some models give in parts; their thoughts are none."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if part.get("type") in (None, "text", "output_text"))
    return str(content or "")


def _count(value) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 <= value < _MOST_TOKENS else None


def _money(value) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else None


def shown_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"'{url}' is no base URL; one looks like http://127.0.0.1:8000/v1.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}".rstrip("/")


def _shown(url: str) -> str:
    """The same of a URL that an endpoint has named, which may be none."""
    try:
        return shown_url(url)
    except UserError:
        return "no address that can be read"


def _completions_url(base: str) -> str:
    """The method below a base URL, whose query stays."""
    parts = urllib.parse.urlsplit(base)
    return parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions", fragment="").geturl()

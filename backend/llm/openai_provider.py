"""Any endpoint that speaks OpenAI's chat completions, through the official client."""

import asyncio
import os
import urllib.parse

import httpx2
import openai
import orjson
from openai.types.chat import ChatCompletionChunk

from backend.errors import UserError
from backend.llm.provider import Completion, Fatal, ProviderError, RateLimited, Refused, Timeouts, Transient
from backend.llm.rate_headers import allowance, retry_after

OPENAI_URL = "https://api.openai.com/v1"
_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_CONNECTIONS = 8192
_DECLINED = {"status 400", "status 415", "status 422"}
_PERHAPS_DECLINED = {"status 500", "status 501"}


def make(choice) -> list["OpenAIProvider"]:
    """One for each base URL of the choice."""
    if choice.model is None:
        raise UserError("--provider openai needs a --model, such as gpt-4o-mini, or the name that your server gives it.")
    urls = choice.base_urls or (None,)
    return [
        OpenAIProvider(choice.model, url, headers=choice.headers, timeouts=choice.timeouts, stream=choice.stream) for url in urls
    ]


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
    ):
        """The key comes from `OPENAI_API_KEY` unless given. Raises UserError for a bad URL or a missing key."""
        self.model, self.stream = model, stream
        self._url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        self.endpoint = shown_url(self._url)
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or ""
        if not self._key and urllib.parse.urlsplit(self._url).hostname == "api.openai.com":
            raise UserError(f"{self.endpoint} needs a key; put it into the environment variable OPENAI_API_KEY.")
        self._headers, self._timeouts = headers or {}, timeouts or Timeouts()
        self._client: openai.AsyncOpenAI | None = None
        self._rung, self._proven, self._strikes = 0, False, 0  # how plain a response format must be, and whether it worked
        self._unknown: set[str] = set()  # parameters that this model declines

    async def complete(self, messages, *, max_tokens=None, temperature=None, response_format=None) -> Completion:
        """One answer. Raises RateLimited, Transient, Refused or Fatal."""
        if response_format is None:
            return await self._send(self._body(messages, max_tokens, temperature, None))
        ladder = _ladder(response_format)
        while True:
            rung = min(self._rung, len(ladder) - 1)
            try:
                done = await self._send(self._body(messages, max_tokens, temperature, ladder[rung]))
            except ProviderError as error:
                if not self._steps_down(error, rung, len(ladder)):
                    raise
            else:
                if not self._proven or rung < self._rung:
                    self._rung, self._proven = rung, True
                return done

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
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

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
            async with asyncio.timeout(self._timeouts.whole):
                return await (self._streamed(body) if self.stream else self._whole(body))
        except TimeoutError:
            raise Transient(f"{self.endpoint} took longer than {self._timeouts.whole:g} s", "timed out") from None
        except openai.APITimeoutError:
            raise Transient(f"{self.endpoint} let a time-out pass or cut the connection", "timed out") from None
        except openai.APIConnectionError as error:
            raise Transient(self._clean(f"{self.endpoint}: {error.__cause__ or error}"), "connection broken") from None
        except openai.APIStatusError as error:
            declined = self._declined_parameter(error, body)
            if declined:
                self._unknown.add(declined)
                limit = body.get("max_tokens", body.get("max_completion_tokens"))
                return await self._send(self._body(body["messages"], limit, body.get("temperature"), body.get("response_format")))
            raise self._typed(error) from None
        except ProviderError:
            raise
        except openai.APIError as error:  # an error event inside a stream
            raise Transient(self._clean(f"{self.endpoint}: {error.message}"), "server error") from None
        except Exception as error:
            # The client and its transports let some raw errors through: broken JSON in a stream, odd HTTP.
            raise Transient(self._clean(f"{self.endpoint}: {type(error).__name__}: {error}"), "unreadable answer") from None

    async def _whole(self, body: dict) -> Completion:
        # The client's own way to endpoints without a typed method: no models are built, and the headers are at hand.
        response = await self._open().post("/chat/completions", body=body, cast_to=httpx2.Response)
        try:
            answer = orjson.loads(response.content)
            choice = answer["choices"][0]
            text = choice["message"].get("content") or ""
            refusal = choice["message"].get("refusal")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            kind = response.headers.get("content-type", "no content type")
            raise Transient(f"{self.endpoint} answered with no completion ({kind})", "unreadable answer") from None
        return self._completion(text, refusal, choice.get("finish_reason"), answer.get("usage"), response.headers)

    async def _streamed(self, body: dict) -> Completion:
        parts, refusals, finish, usage = [], [], None, None
        stream = await self._open().post(
            "/chat/completions", body=body, cast_to=ChatCompletionChunk, stream=True, stream_cls=openai.AsyncStream[ChatCompletionChunk]
        )
        async with stream:
            async for chunk in stream:
                if chunk.usage:
                    usage = chunk.usage.model_dump()
                for choice in chunk.choices[:1]:
                    parts.append(choice.delta.content or "")
                    refusals.append(choice.delta.refusal or "")
                    finish = choice.finish_reason or finish
            headers = stream.response.headers
        if finish is None:
            raise Transient(f"{self.endpoint} broke a stream off", "stream broken off")
        return self._completion("".join(parts), "".join(refusals), finish, usage, headers)

    def _completion(self, text, refusal, finish, usage, headers) -> Completion:
        if finish == "content_filter":
            raise Refused(f"{self.endpoint} filtered the answer", "content filter")
        if refusal and not text:
            raise Refused(self._clean(str(refusal))[:500], "refused")
        usage = usage if isinstance(usage, dict) else {}
        return Completion(
            text, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _money(usage.get("cost")),
            finish or "", allowance(headers),
        )  # fmt: skip

    def _typed(self, error: openai.APIStatusError) -> ProviderError:
        status, headers = error.status_code, error.response.headers
        message = self._clean(f"{self.endpoint} answered {status}: {_message(error)}")
        code = str(error.code or "")
        if code in _NO_MONEY or status == 402:
            return Fatal(message, "no money")
        if status == 429:
            return RateLimited(message, retry_after(headers), allowance(headers))
        if status in (401, 403, 404):
            return Fatal(message, "not allowed" if status != 404 else "not found")
        if code in ("content_filter", "content_policy_violation") or "content_filter" in message:
            return Refused(message, "content filter")
        if status in (408, 409, 425) or status >= 500:
            return Transient(message, f"status {status}", retry_after(headers))
        return Refused(message, f"status {status}")

    def _declined_parameter(self, error: openai.APIStatusError, body: dict) -> str | None:
        """The optional parameter that a 400 complains of, when leaving it out can help."""
        if error.status_code not in (400, 422):
            return None
        message = _message(error)
        for name in ("max_tokens", "temperature"):
            if name in body and name not in self._unknown and (error.param == name or f"'{name}'" in message):
                return name
        return None

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
            timeout = httpx2.Timeout(connect=self._timeouts.connect, read=self._timeouts.first_byte, write=60.0, pool=None)
            try:
                http_client = openai.DefaultAioHttpClient(limits=limits, timeout=timeout)
            except RuntimeError:  # aiohttp is not installed; it takes half the processor time of the default
                http_client = openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout)
            self._client = openai.AsyncOpenAI(
                api_key=self._key or "none", base_url=self._url, max_retries=0, timeout=timeout, http_client=http_client,
                default_headers=self._headers,
            )  # fmt: skip
        return self._client

    def _clean(self, message: str) -> str:
        """A message without keys: servers like to send them back."""
        for secret in (self._key, *self._headers.values(), urllib.parse.urlsplit(self._url).password):
            if secret and len(secret) > 3:
                message = message.replace(secret, "***")
        return message[:1000]


def _ladder(wanted: dict) -> list[dict | None]:
    """The response format that is wanted, then ever plainer ones, down to none."""
    if wanted.get("type") != "json_schema":
        return [wanted, None]
    return [wanted, {"type": "json_object", "schema": wanted["json_schema"]["schema"]}, {"type": "json_object"}, None]


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or body.get("error") or body.get("detail") or body)[:500]
    return str(body or error.message)[:500]


def _count(value) -> int | None:
    return int(value) if isinstance(value, int | float) and value >= 0 else None


def _money(value) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def shown_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"'{url}' is no base URL; one looks like http://127.0.0.1:8000/v1.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}".rstrip("/")

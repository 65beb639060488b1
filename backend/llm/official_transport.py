"""The same through OpenAI's own client, for those who want its headers and its HTTP stack and need not hurry."""

import asyncio

import httpx2
import openai

from backend.llm.http_transport import Reply
from backend.llm.provider import Timeouts, Transient

_CONNECTIONS = 8192


class OfficialTransport:
    """One URL, its headers and its connections, as HttpTransport has them."""

    def __init__(self, url: str, headers: dict[str, str], timeouts: Timeouts):
        """`url` ends with the path of the method."""
        self._url, self._headers, self._timeouts = url, headers, timeouts
        self._client: openai.AsyncOpenAI | None = None

    async def post(self, body: dict) -> Reply:
        """The whole reply, of a stream too. Raises Transient when there is none."""
        try:
            # The client's own way to endpoints without a typed method: no models are built, and the headers are at hand.
            async with asyncio.timeout(self._timeouts.whole):
                answer = await self._open().post(self._url, body=body, cast_to=httpx2.Response)
            return Reply(answer.status_code, answer.headers, answer.content)
        except openai.APIStatusError as error:
            return Reply(error.status_code, error.response.headers, error.response.content)
        except TimeoutError:
            raise Transient(f"no whole answer in {self._timeouts.whole:g} s", "timed out") from None
        except openai.APITimeoutError as error:
            raise Transient(str(error), "timed out") from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            raise Transient(str(error.__cause__ or error), "connection broken") from None
        except (openai.APIError, httpx2.HTTPError, ValueError) as error:
            raise Transient(f"{type(error).__name__}: {error}", "unreadable answer") from None

    async def close(self) -> None:
        """Close connections; a later `post` opens new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            timeout = httpx2.Timeout(connect=self._timeouts.connect, read=self._timeouts.first_byte, write=60.0, pool=None)
            limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
            self._client = openai.AsyncOpenAI(
                api_key="none", base_url=self._url, max_retries=0, timeout=timeout, default_headers=self._headers,
                http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False),
            )  # fmt: skip
        return self._client

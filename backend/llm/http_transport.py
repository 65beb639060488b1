"""Bodies to an endpoint and back over aiohttp, which takes a fifth of the processor time of the official client."""

import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from backend.llm.provider import Timeouts, Transient

MOST_BYTES = 4 << 20  # of an answer: hundreds of times what a story takes


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint said, whatever it is worth."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpTransport:
    """One URL, its headers and its connections. `post` may be called any number of times at once."""

    def __init__(self, url: str, headers: dict[str, str], timeouts: Timeouts):
        """User and password of the URL become the Authorization header."""
        parts = urllib.parse.urlsplit(url)
        self._url = URL(url).with_user(None)
        self._headers = CIMultiDict({"Content-Type": "application/json", "Accept": "application/json"})
        for name, value in headers.items():  # a later one of the same name, in whatever case, replaces an earlier one
            self._headers[name] = value
        if parts.username:
            user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
            self._headers["Authorization"] = aiohttp.BasicAuth(user, password, "utf-8").encode()
        self._timeout = aiohttp.ClientTimeout(total=timeouts.whole, sock_connect=timeouts.connect, sock_read=timeouts.first_byte)
        self._proxy = proxy_for(parts)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: dict) -> Reply:
        """The whole reply, of a stream too. Raises Transient when there is none."""
        if self._session is None:
            self._session = self._new_session()
        try:
            async with self._session.post(self._url, data=orjson.dumps(body), allow_redirects=False) as response:
                return Reply(response.status, response.headers, await _content(response))
        except TimeoutError as error:
            raise Transient(str(error) or f"no whole answer in {self._timeout.total:g} s", "timed out") from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise Transient(_told(error), "connection broken") from None
        except (aiohttp.ClientError, ValueError, LookupError) as error:  # odd HTTP, odd compression
            raise Transient(_told(error), "unreadable answer") from None

    async def close(self) -> None:
        """Close connections; a later `post` opens new ones."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _new_session(self) -> aiohttp.ClientSession:
        _allow_many_files()
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=self._timeout, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), proxy=self._proxy,
        )  # fmt: skip


def proxy_for(parts: urllib.parse.SplitResult) -> str | None:
    """The proxy that the environment names for a URL, looked up once instead of at each call."""
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


async def _content(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises Transient when it has no end in sight."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise Transient(f"an answer of more than {MOST_BYTES >> 20} MB", "unreadable answer")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _allow_many_files() -> None:
    """Each call under way is an open file, and many systems allow 1,024 unless a process asks for more."""
    try:
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ImportError, ValueError, OSError):  # not on this system, or not so many
        return


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

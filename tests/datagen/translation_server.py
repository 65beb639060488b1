"""An OpenAI-compatible endpoint on loopback that translates what tiny_translators knows by heart, badly at first."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"].rpartition("The story:\n")[2]
        with self.server.guard:
            self.server.asked[text] += 1
            number = self.server.asked[text]
        bad = self.server.bad[number - 1 : number]
        translated = "".join(self.server.pairs.get(part, part) for part in _parts(text, self.server.pairs))
        story = {"as it was": text, "a piece": translated.partition("।")[0] + "।"}.get(bad[0], translated) if bad else translated
        message = {"role": "assistant", "content": json.dumps({"translation": story}, ensure_ascii=False)}
        usage = {"prompt_tokens": 100, "completion_tokens": 50}
        data = json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def _parts(text: str, pairs: dict[str, str]) -> list[str]:
    """The sentences that are known, and what stands between them."""
    parts = [text]
    for known in pairs:
        parts = [piece for part in parts for piece in (_around(part, known) if part not in pairs else [part])]
    return parts


def _around(text: str, known: str) -> list[str]:
    before, found, after = text.partition(known)
    return [before, found, after] if found else [text]


@contextmanager
def translation_server(pairs: dict[str, str], bad: tuple[str, ...] = ()) -> Iterator[ThreadingHTTPServer]:
    """`bad` are the first answers to each text: "as it was" or "a piece". `asked` counts the calls by text."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.pairs, server.bad, server.asked, server.guard = pairs, bad, Counter(), threading.Lock()
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A large model's endpoint as far as the app needs one: it grades, tells, and remembers who asked with which key."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CRITERIA = ("context awareness", "completeness", "grammar", "fluency", "creativity", "overall")
KEY = "sk-visitor-4711"


@dataclass
class LlmServer:
    """`keys` are those that came; `hold` keeps answers back until it is set; after `most` prompts no key is let in."""

    base_url: str = ""
    keys: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    most: float = math.inf
    hold: threading.Event = field(default_factory=threading.Event)


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    """Serve on a free port of this machine. Only KEY is let in; the n-th judgement grades 5 + n % 4."""
    state, guard = LlmServer(), threading.Lock()
    state.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            with guard:
                state.keys.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
                state.prompts.append(prompt)
                number = len(state.prompts)
            if state.keys[-1] != KEY or number > state.most:
                return self._send(401, {"error": {"message": f"Incorrect API key provided: {state.keys[-1]}"}})
            state.hold.wait(60)
            if "rate the story" in prompt:
                answer = {name: str(5 + number % 4) for name in CRITERIA}
            else:
                answer = {"story": "एक दिन <b>मीनू</b> बाग में गई। वहाँ उसे एक तितली मिली।\n\nदोनों दोस्त बन गए।"}
            message = {"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return self._send(200, {"id": "x", "object": "chat.completion", "choices": choices, "usage": usage})

        def _send(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        state.hold.set()
        server.shutdown()
        server.server_close()

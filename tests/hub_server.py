"""A Hub on this machine: repositories that are made, written, listed, searched and read as huggingface_hub does it."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"
_NAME = r"([\w.-]+/[\w.-]+?)"
_FILE = re.compile(rf"/(?:datasets/|spaces/)?{_NAME}/resolve/([\w.-]+)/(.+)")
_API = re.compile(rf"/api/(models|datasets|spaces)/{_NAME}(?:/(revision|tree|preupload|commit|commits|paths-info|treesize)(?:/([\w.-]+))?(?:/(.*))?)?")
_BATCH = re.compile(rf"/(?:datasets/|spaces/)?{_NAME}\.git/info/lfs/objects/batch")
_LARGE = (".parquet", ".safetensors", ".gguf", ".bin", ".pt")


@dataclass
class HubServer:
    """`repos` are contents by path by name. `asked` are the files that were fetched, `made` the repositories created.

    With `keys`, only who has one may write. `sent` are the hashes of large files that arrived whole. `cuts` are byte
    counts: the connection of the next large file, sent or fetched, breaks after the first of them, and so on.
    `faults` are statuses that the next commits are answered with.
    """

    address: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    made: list[dict] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    commits: dict[str, list[str]] = field(default_factory=dict)  # messages, by name

    def add_folder(self, name: str, folder: Path) -> None:
        """Put a folder on the Hub."""
        self.repos[name] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def sha(self, name: str) -> str:
        """The newest commit."""
        done = self.commits.get(name)
        return hashlib.sha1(f"{name} {len(done)}".encode(), usedforsecurity=False).hexdigest() if done else SHA

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to take this for the Hub."""
        return {"HF_ENDPOINT": self.address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubServer
    large: dict[str, bytes]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlsplit(self.path)
        path = unquote(url.path)
        if path.endswith("/whoami-v2"):
            return self._send(200, {"name": "tester", "type": "user", "orgs": [], "auth": {}}) if self._may_write() else self._who()
        if match := _FILE.fullmatch(path):
            return self._file(match.group(1), match.group(3))
        if path in ("/api/models", "/api/datasets", "/api/spaces"):
            wanted = parse_qs(url.query).get("author", [""])[0]
            return self._send(200, [self._info(name) for name in self.state.repos if name.startswith(wanted)])
        match = _API.fullmatch(path)
        if not match or match.group(2) not in self.state.repos:
            return self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        _, name, what, revision, rest = match.groups()
        if what == "revision" and revision not in ("main", "refs", SHA, self.state.sha(name)):
            return self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        if what in (None, "revision"):
            return self._send(200, self._info(name))
        if what == "tree":
            return self._tree(name, rest or "", "recursive" in url.query.lower())
        if what == "commits":
            return self._send(200, [{"id": self.state.sha(name), "title": m, "authors": [], "date": "2026-01-01T00:00:00Z", "message": ""} for m in self.state.commits.get(name, [])])
        return self._send(404, {"error": "unknown"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        if path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        if match := _API.fullmatch(path):
            _, name, what, _, _ = match.groups()
            if what == "paths-info":
                return self._paths_info(name, body)
        if not self._may_write():
            return self._who()
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if match and match.group(2) not in self.state.repos:
            return self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if match and what == "preupload":
            modes = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(_LARGE) else "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]
            return self._send(200, {"files": modes})
        if match and what == "commit":
            return self._commit(name, body)
        if match := _BATCH.fullmatch(path):
            return self._batch(json.loads(body))
        return self._send(200, {})

    def do_PUT(self):
        length, oid = int(self.headers["Content-Length"]), self.path.rsplit("/", 1)[1]
        if self.state.cuts:
            self.rfile.read(min(length, self.state.cuts.pop(0)))
            return self._break()
        content = self.rfile.read(length)
        if hashlib.sha256(content).hexdigest() != oid:
            return self._send(400, {"error": "not what was announced"})
        self.large[oid] = content
        self.state.sent.append(oid)
        return self._send(200, {})

    def do_DELETE(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.state.repos.pop(f"{body.get('organization') or 'tester'}/{body['name']}", None)
        return self._send(200, {})

    def _may_write(self) -> bool:
        return not self.state.keys or self.headers.get("Authorization", "").removeprefix("Bearer ") in self.state.keys

    def _who(self):
        return self._send(401, {"error": "Invalid credentials"}, {"X-Error-Message": "Invalid credentials"})

    def _create(self, made):
        name = f"{made.get('organization') or 'tester'}/{made['name']}"
        there = name in self.state.repos
        if not there:
            self.state.made.append(made)
            self.state.repos[name] = {}
        prefix = {"dataset": "datasets/", "space": "spaces/"}.get(made.get("type"), "")
        answer = {"url": f"{self.state.address}/{prefix}{name}", "name": name, "id": name}
        return self._send(409 if there else 200, answer)

    def _commit(self, name, body):
        if self.state.faults:
            return self._send(self.state.faults.pop(0), {"error": "a fault"})
        files = self.state.repos[name]
        for line in filter(None, body.splitlines()):
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.state.commits.setdefault(name, []).append(value["summary"])
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
        sha = self.state.sha(name)
        return self._send(200, {"commitUrl": f"{self.state.address}/{name}/commit/{sha}", "commitOid": sha, "hookOutput": ""})

    def _batch(self, asked):
        objects = []
        for wanted in asked["objects"]:
            entry = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.large:
                entry["actions"] = {"upload": {"href": f"{self.state.address}/lfs/{wanted['oid']}", "header": {}}}
            objects.append(entry)
        return self._send(200, {"transfer": "basic", "objects": objects})

    def _info(self, name):
        files = self.state.repos[name]
        siblings = [{"rfilename": path, "size": len(content), "blobId": "0" * 40} for path, content in files.items()]
        private = any(name.endswith(f"/{made['name']}") and made.get("visibility") == "private" for made in self.state.made)
        return {"_id": "0" * 24, "id": name, "modelId": name, "sha": self.state.sha(name), "siblings": siblings, "private": private,
                "tags": [], "downloads": 0, "likes": 0, "gated": False, "disabled": False, "lastModified": "2026-01-01T00:00:00.000Z"}  # fmt: skip

    def _entry(self, path, content):
        entry = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content, usedforsecurity=False).hexdigest()}
        if path.endswith(_LARGE):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _tree(self, name, folder, recursive):
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        entries = {}
        for path, content in sorted(self.state.repos[name].items()):
            if not path.startswith(prefix):
                continue
            *folders, _ = path[len(prefix) :].split("/")
            for depth in range(1, len(folders) + 1 if recursive else min(2, len(folders) + 1)):
                parent = prefix + "/".join(folders[:depth])
                entries[parent] = {"type": "directory", "path": parent, "size": 0, "oid": "0" * 40}
            if recursive or not folders:
                entries[path] = self._entry(path, content)
        if folder and not entries:
            return self._send(404, {"error": "no such folder"}, {"X-Error-Code": "EntryNotFound"})
        return self._send(200, list(entries.values()))

    def _paths_info(self, name, body):
        kind = self.headers.get("Content-Type", "")
        paths = json.loads(body)["paths"] if "json" in kind else parse_qs(body.decode()).get("paths", [])
        files = self.state.repos.get(name, {})
        found = [self._entry(path, files[path]) for path in paths if path in files]
        folders = [p for p in paths if p not in files and any(other.startswith(f"{p.rstrip('/')}/") for other in files)]
        return self._send(200, found + [{"type": "directory", "path": p, "size": 0, "oid": "0" * 40} for p in folders])

    def _file(self, name, path):
        content = self.state.repos.get(name, {}).get(path)
        if content is None:
            return self._send(404, {"error": "no such file"}, {"X-Error-Code": "EntryNotFound" if name in self.state.repos else "RepoNotFound"})
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": self.state.sha(name), "Accept-Ranges": "bytes"}
        if self.command == "HEAD":
            return self._send(200, content, headers)
        self.state.asked.append(f"{name}/{path}")
        status = 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last, size = int(match.group(1)), int(match.group(2) or len(content) - 1), len(content)
            content, status = content[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{min(last, size - 1)}/{size}"
        if self.state.cuts and path.endswith(_LARGE):
            self._send(status, content, headers, cut=self.state.cuts.pop(0))
            return self._break()
        return self._send(status, content, headers)

    def _break(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)

    def _send(self, status, body, headers=(), cut=None):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": len(content), **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if cut is None else content[:cut])

    def log_message(self, *_):
        pass


@contextmanager
def hub_server(keys: set[str] | None = None) -> Iterator[HubServer]:
    """Serve on a free port; give its `environment` to a process that shall take it for the Hub."""
    state = HubServer(keys=keys or set())
    handler = type("Handler", (_Handler,), {"state": state, "large": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()

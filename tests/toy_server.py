"""Servers for tests, on loopback: one that follows a script, and llama.cpp's own."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "toy-writer"


class Handler(BaseHTTPRequestHandler):
    """Answers chat requests by the server's script, in the form of the protocol."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self):
        self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.counted(self):
            self.server.script(self)

    def json(self, value, status: int = 200, **headers):
        self.raw(json.dumps(value).encode(), status, "application/json", **headers)

    def raw(self, data: bytes, status: int = 200, kind: str = "text/html", **headers):
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def events(self, *events, done: bool = True, pause: float = 0.0):
        """Send events one by one; strings are sent as they are. Unless `done`, break off."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in [*events, "[DONE]"] if done else events:
            text = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            self.wfile.flush()
            time.sleep(pause)
        if done:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def say(self, text: str, finish: str = "stop"):
        """An answer in two pieces, with its tokens counted: 7 in, and one out for each word."""
        half = len(text) // 2
        usage = {"prompt_tokens": 7, "completion_tokens": len(text.split())}
        counts = {"choices": [], "usage": usage}
        self.events(piece(text[:half]), piece(text[half:]), piece("", finish), counts)

    def fail(self, status: int, message: str = "no", **headers):
        self.json({"error": {"message": message}}, status, **headers)

    def log_message(self, *arguments):
        """Keep quiet."""


def piece(text: str | None, finish: str | None = None, **delta) -> dict:
    """An event with a part of an answer."""
    delta = {"content": text} | delta
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call_piece(index: int, name: str | None, arguments: str) -> dict:
    """An event with a part of a tool call."""
    function = {"name": name, "arguments": arguments}
    return piece(None, tool_calls=[{"index": index, "type": "function", "function": function}])


class Server(ThreadingHTTPServer):
    """Runs a script for each chat request; counts requests, and how many run at once."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Callable[[Handler], None]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.lock = script, threading.Lock()
        self.requests = self.running = self.most = 0
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @contextmanager
    def counted(self, handler: Handler):
        with self.lock:
            self.requests, self.running = self.requests + 1, self.running + 1
            self.most = max(self.most, self.running)
            handler.number = self.requests  # from 1
            self.bodies.append(handler.body)
            self.keys.append(handler.headers.get("authorization"))
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1

    def handle_error(self, request, address):
        """Ignore clients that go away, which some tests are about."""


@contextmanager
def serving(script: Callable[[Handler], None]):
    """A server that runs a script until the block ends."""
    server = Server(script)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def sleep(seconds: float) -> Callable[[Handler], None]:
    """A script that is silent for a while, and then ends."""
    return lambda handler: time.sleep(seconds)


def llama():
    """llama.cpp's own server with the embedded model; it runs for as long as the object lives."""
    import xllamacpp

    from slmlib.models import registry, weights

    options = xllamacpp.CommonParams()
    options.model.path = str(weights.find(registry.get("smollm2-135m-instruct")))
    options.model_alias = {"smollm2-135m-instruct"}
    options.n_ctx, options.n_parallel, options.port = 8192, 4, 0
    options.cpuparams.n_threads = 1  # more of them wait for one another where cores are few
    options.warmup, options.verbosity = False, 0
    return xllamacpp.Server(options)

"""Speed of what stands around a teacher, and what the embedded model is worth as one.

Prints how many prompts are made and texts judged a second on one core, how many answers a second the
endpoint client takes from a server that needs 20 ms for each, and the report of a run with the
embedded model on llama.cpp's server: `python tests/performance/teacher.py [cases] [attempts]`.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import toy_server

from slmlib.core import io, paths
from slmlib.engines.openai_client import Call, Client, Endpoint
from slmlib.tasks.edgejson.generate import evidence, teacher

ROWS = io.read_jsonl(paths.DATA / "edgejson" / "train.jsonl")


def rate(work, things) -> float:
    start = time.perf_counter()
    for thing in things:
        work(thing)
    return len(things) / (time.perf_counter() - start)


def answers(concurrency: int, count: int = 400) -> float:
    """Answers a second from a server that needs 20 ms for each."""

    def script(handler):
        time.sleep(0.02)
        handler.say("a short answer")

    with toy_server.serving(script) as server:
        client = Client(Endpoint(server.url, toy_server.MODEL, concurrency=concurrency))
        list(client.answers([Call([], 1)] * concurrency))  # connects
        start = time.perf_counter()
        assert sum(reply.finish == "stop" for _, reply in client.answers([Call([], 1)] * count)) == count
        return count / (time.perf_counter() - start)


def embedded(cases: int, attempts: int) -> str:
    """The report of a run on the first simple cases."""
    server, small = toy_server.llama(), teacher.teachers()["smollm2-135m-instruct"]
    writer = teacher.connect(small, base_url=f"{server.listening_address}/v1", concurrency=4)
    rows = [row for row in ROWS if row["tier"] == "simple"][:cases]
    with tempfile.TemporaryDirectory() as folder:
        return teacher.rewrite(rows, small, writer, out=Path(folder) / "out.jsonl", attempts=attempts).text()


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]]
    cases, attempts = [*sizes, *(5, 2)[len(sizes) :]]
    chosen = teacher.teachers()["qwen2.5-7b-instruct"]
    print(f"prompts {rate(lambda row: teacher.ask(row, chosen, 1, 0), ROWS):,.0f}/s")
    searched = rate(lambda row: evidence.find(row["input"]["text"], row), ROWS)
    print(f"texts searched for evidence {searched:,.0f}/s")
    for concurrency in (1, 8, 32):
        print(f"answers at concurrency {concurrency}: {answers(concurrency):,.0f}/s")
    print(embedded(cases, attempts))

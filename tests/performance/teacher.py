"""Speed of everything around a teacher: prompts, judgements, and answers of a fast server.

Prints prompts and searched texts per second on one core, and how many answers per second the client
takes from a server that needs 20 ms for each: `python tests/performance/teacher.py`.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import toy_server

from slmlib.core import io, paths
from slmlib.engines.openai_client import Call, Client, Endpoint
from slmlib.tasks.edgejson.generate import evidence, teacher

ROWS = io.read_jsonl(paths.DATA / "edgejson" / "train.jsonl")


def rate(work, items) -> float:
    """Items per second."""
    start = time.perf_counter()
    for item in items:
        work(item)
    return len(items) / (time.perf_counter() - start)


def answers(concurrency: int, count: int = 400) -> float:
    """Answers per second."""

    def script(handler):
        time.sleep(0.02)
        handler.say("a short answer")

    with toy_server.serving(script) as server:
        client = Client(Endpoint(server.url, toy_server.MODEL, concurrency=concurrency))
        list(client.answers([Call([], 1)] * concurrency))  # connects
        start = time.perf_counter()
        replies = [reply for _, reply in client.answers([Call([], 1)] * count)]
        assert all(reply.finish == "stop" for reply in replies)
        return count / (time.perf_counter() - start)


if __name__ == "__main__":
    chosen = teacher.teachers()["qwen2.5-7b-instruct"]
    print(f"prompts {rate(lambda row: teacher.prompt(row, chosen, 1, 0), ROWS):,.0f}/s")
    searched = rate(lambda row: evidence.locate(row["input"]["text"], row), ROWS)
    print(f"texts searched for evidence {searched:,.0f}/s")
    for concurrency in (1, 8, 32):
        print(f"answers at concurrency {concurrency}: {answers(concurrency):,.0f}/s")

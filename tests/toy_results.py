"""Results of the task `toy` on disk: small and valid, of any model, split and engine.

The fixture `toy_task` registers the task; runs of a real engine or control are made by `evaluate`.
"""

from toy import TASK

from slmlib.core import io
from slmlib.evaluation import metrics

SHA = "ab" * 32
PREDICTIONS = ".predictions.jsonl.gz"


def prediction(name, *, right, completion='{"name": "Ann"}', failure="wrong", share=0.5, place=0):
    """A prediction row; a right one scores 1 everywhere. `place` chooses group and slice."""
    share = 1.0 if right else share
    turn = {"completion": completion, "finish": "stop", "seconds": 0.5}
    turn |= {"tokens_in": 10, "tokens_out": 5}
    return {
        "id": name,
        "group": f"group-{place % 5}",
        "slices": {"size": TASK.slices[0].values[place % 2]},
        "turns": [turn],
        "failure": None if right else failure,
        "scores": {"exact": float(right), "share": share},
        "counts": {"fields": [round(2 * share), 2]},
    }


def predictions(right, n=20, **options):
    """`n` rows, `right` of them right, spread over groups and slices."""
    return [
        prediction(f"case-{i:03d}", right=(i * 7) % n < right, place=i, **options) for i in range(n)
    ]


def result(
    rows,
    *,
    run,
    model="toy-1m",
    control=False,
    n=None,
    mode="free",
    split="test",
    speed=50.0,
    engine="transformers",
    dtype="bfloat16",
    prompt="plain",
    adapter=None,
    **described,
):
    """A result that follows from its rows; `described` is what else its engine says."""
    return {
        "run": run,
        "task": TASK.name,
        "split": split,
        "dataset": {"name": TASK.name, "version": "1.0.0", "sha256": SHA, "n": n or len(rows)},
        "model": {
            "name": model,
            "source": "control" if control else "wheel",
            "revision": None,
            "weights_sha256": None if control else SHA,
            "parameters": 0 if control else 1_500_000,
            "adapter": adapter,
        },
        "engine": {
            "name": "control" if control else engine,
            "version": "5.0",
            "dtype": None if control else dtype,
            "batch_size": 8,
            "threads": 2,
            "device": "cpu",
            **described,
        },
        "prompt": {"name": prompt, "sha256": SHA},
        "decoding": {"mode": mode, "max_new_tokens": 24, "stop": "json", "method": "greedy"},
        "limit": None,
        **metrics.judge(TASK, rows),
        "throughput": {
            "cases_per_second": 1.5,
            "tokens_per_second": 0.0 if control else speed,
            "tokens_in": 10 * len(rows),
            "tokens_out": 5 * len(rows),
            "generation_seconds": 12.5,
            "peak_memory_bytes": 1_500_000_000,
        },
        "environment": {
            "packages": {"torch": "2.0", "transformers": "5.0"},
            "machine": {"cpu": "Toy CPU", "cores": 2},
            "code": SHA,
            "commit": "0123456789abcdef",
            "dirty": False,
        },
        "started": "2026-01-02T00:00:00+00:00",
        "seconds": 90.0,
    }


def write_run(folder, rows, *, run, **options):
    """Write a result and its predictions into `folder/toy/`; returns the result's path."""
    path = folder / TASK.name / f"{run}.json"
    io.write_json(path, result(rows, run=run, **options))
    io.write_jsonl(path.with_name(run + PREDICTIONS), rows)
    return path


def write_all(folder):
    """One model, one with a hostile name, the three controls and an incomplete run."""
    write_run(folder, predictions(8), run="toy-1m-test-free-1")
    write_run(folder, predictions(2), run="evil-test-free-1", model="<script>alert(1)</script>|$x$")
    wrong = {"no-op": {"failure": "unreadable", "share": 0.0}, "oracle": {}, "rules": {}}
    for (name, options), right in zip(wrong.items(), (0, 20, 5), strict=True):
        rows = predictions(right, **options)
        write_run(folder, rows, run=f"{name}-test-free-1", model=name, control=True)
    write_run(folder, predictions(10, n=10), run="part-test-free-1", model="part-1m", n=20)

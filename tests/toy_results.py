"""Toy results on disk, for the tests of results, plots and reports: small, complete and valid."""

import math
from collections import Counter, defaultdict
from dataclasses import asdict

from slmlib.core import io
from slmlib.evaluation import stats

TIERS = ("simple", "medium", "complex")
SHA = "ab" * 32
PREDICTIONS = ".predictions.jsonl.gz"


def prediction(name, *, right, completion=None, failure="miscopied", f1=0.5):
    """A prediction row; a right one scores 1 everywhere."""
    exact = int(right)
    return {
        "id": name,
        "completion": completion if completion is not None else ('{"a": 1}' if right else '{"a": 2}'),
        "finish": "stop",
        "failure": None if right else failure,
        "scores": {"json_exact": exact, "field_f1": 1.0 if right else f1, "schema_compliance": 1},
        "tokens_in": 10,
        "tokens_out": 5,
        "seconds": 0.5,
    }


def predictions(right, n=20, **options):
    """`n` cases, `right` of them right, spread over the tiers."""
    return [prediction(f"case-{i:03d}", right=(i * 7) % n < right, **options) for i in range(n)]


def _estimate(name, values):
    mean = math.fsum(values) / len(values)
    interval = {"mean": mean, "low": max(0.0, mean - 0.1), "high": min(1.0, mean + 0.1), "n": len(values)}
    return interval if name == "field_f1" else asdict(stats.cluster_wilson(values, range(len(values))))


def _metrics(rows):
    return {name: _estimate(name, [row["scores"][name] for row in rows]) for name in rows[0]["scores"]}


def _parts(rows, names):
    parts = defaultdict(list)
    for i, row in enumerate(rows):
        parts[names[i % len(names)]].append(row)
    return {name: _metrics(part) for name, part in parts.items()}


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
    """A result that its rows bear out; `described` is what else its engine says."""
    failures = Counter(row["failure"] for row in rows if row["failure"])
    return {
        "run": run,
        "task": "edgejson",
        "split": split,
        "dataset": {"name": "edgejson", "version": "0.1.0", "sha256": SHA, "n": n or len(rows)},
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
        "decoding": {"mode": mode, "max_new_tokens": 512},
        "scorer": {"version": "1"},
        "metrics": _metrics(rows),
        "by_tier": _parts(rows, TIERS),
        "by_group": _parts(rows, ("order", "invoice", "sensor", "booking")),
        "failures": dict(failures),
        "throughput": {
            "cases_per_second": 1.5,
            "tokens_per_second": 0.0 if control else speed,
            "tokens_in": sum(row["tokens_in"] for row in rows),
            "tokens_out": sum(row["tokens_out"] for row in rows),
            "generation_seconds": 12.5,
            "peak_memory_bytes": 1_500_000_000,
        },
        "environment": {
            "packages": {"torch": "2.0", "transformers": "5.0"},
            "machine": {"cpu": "Toy CPU", "cores": 2},
            "commit": "0123456789abcdef",
            "dirty": False,
        },
        "started": "2026-01-01T00:00:00Z",
        "seconds": 90.0,
    }


def write_run(folder, rows, *, run, **options):
    """Write a result and its predictions into `folder/edgejson/`; returns the result's path."""
    path = folder / "edgejson" / f"{run}.json"
    io.write_json(path, result(rows, run=run, **options))
    io.write_jsonl(path.with_name(run + PREDICTIONS), rows)
    return path


def write_all(folder):
    """One model, one hostile model, the three controls and an incomplete run."""
    write_run(folder, predictions(8), run="toy-1m-test-free-1", model="toy-1m")
    write_run(folder, predictions(2), run="evil-test-free-1", model="<script>alert(1)</script>|$x$")
    write_run(
        folder, predictions(0, failure="no_json", f1=0), run="no-op-test-free-1", model="no-op", control=True
    )
    write_run(folder, predictions(20), run="oracle-test-free-1", model="oracle", control=True)
    write_run(folder, predictions(5, failure="omitted"), run="rules-test-free-1", model="rules", control=True)
    write_run(folder, predictions(10, n=10), run="part-test-free-1", model="part-1m", n=20)

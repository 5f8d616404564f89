"""The repository's promises: one list of dependencies, results that can be derived again."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from slmlib import tasks
from slmlib.core import paths
from slmlib.evaluation import rescore, results, run
from slmlib.evaluation.results import PREDICTIONS
from slmlib.pipeline import runs

LOCK = "".join((paths.ROOT / f"requirements{part}.lock").read_text() for part in ("", "-nodeps"))
PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
CONTENT = {  # hashes of ids, texts, schemas, targets, evidence and groups
    "train": "b0927d3c24495449",
    "val": "80d80977e792f0de",
    "test": "ae11add3f2a57b96",
    "test_unseen": "880701536ac86c68",
    "test_noisy": "1afaa91b52e8b16c",
}


def bare(requirement: str) -> str:
    """`jsonschema[format]>=4` is `jsonschema`; names compare as PyPI compares them."""
    return re.split(r"[\[=<>;~! ]", requirement)[0].lower().replace("_", "-")


def test_lock_pins_every_dependency():
    project = PROJECT["project"]
    required = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[A-Za-z0-9._-]+==[^ ]+( ; .*)?$", line) for line in lines)
    assert {bare(r) for r in required} - {"slmlib"} <= {bare(line) for line in lines}
    assert all(r in lines for r in required if "==" in r)
    assert not re.search(r"^(nvidia-[^m]|cuda|triton)", LOCK, re.MULTILINE), "CUDA comes with torch"


def test_conda_installs_the_same():
    conda = [entry for entry in CONDA["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert f"python {PROJECT['project']['requires-python']}" in conda
    assert any(entry.startswith("quarto") for entry in conda)
    assert pip == ["-r requirements.lock", "-r requirements-nodeps.lock", "-e .[all,dev]"]


def test_published_data_have_the_content_that_results_were_made_on():
    """Whatever the form of a row: a change of a text, a schema or a target is a new data set."""
    for split, expected in CONTENT.items():
        digest = hashlib.sha256()
        for sample in tasks.get("edgejson").load(split):
            parts = [sample.id, sample.input["text"], sample.input["schema"], sample.target]
            parts += [sample.meta["evidence"], sample.group]
            digest.update(json.dumps(parts, ensure_ascii=False).encode())
        assert digest.hexdigest()[:16] == expected, split


def planned(listed: dict) -> run.Plan:
    """The plan of a run of data/runs.yaml."""
    options = {k: v for k, v in listed.items() if k not in ("quick", "task", "device_cases")}
    options |= {"prompt": listed["prompt"] or None, "limit": listed["limit"] or None}
    return run.prepare(tasks.get(listed["task"]), **options, out=paths.RESULTS)


def test_published_runs_are_those_of_runs_yaml():
    """A name is the hash of a run's settings: data, prompt, weights and options match."""
    names = {planned(listed).name for listed in runs.runs().values()}
    published = {path.stem for path in paths.RESULTS.glob(f"*/*{PREDICTIONS}")}
    assert names == {name.removesuffix(".predictions.jsonl") for name in published}


def test_published_numbers_follow_from_the_completions():
    """Scored again without models: every score, class, mean and interval, to the last digit."""
    loaded = results.load_all()
    assert len(loaded) > 40
    for result in loaded:
        again = rescore.rescore(result.path)
        assert not again.changed, again.text()
        assert result.complete and result.run == run.run_name(result.data)
        ended = [row for row in result.rows if row["turns"][-1]["finish"] == "stop"]
        if result.mode == "constrained":
            assert not any(map(result.benchmark.breaks_constraint, ended)), result.run


@pytest.mark.slow
def test_numbers_of_ablations_follow_from_the_completions():
    for path in sorted(paths.RESULTS.glob("*/ablations/*.json")):
        assert not rescore.rescore(path).changed, path


def test_controls_are_published_on_every_test_split_and_behave():
    for name in tasks.names():
        task, loaded = tasks.get(name), results.load_all(task=name)
        for split in task.split_names("test"):
            of_split = [r for r in loaded if r.split == split and r.control]
            means = {r.model["name"]: r.metrics[task.ranking_metric.name]["mean"] for r in of_split}
            assert means.keys() == task.controls.keys(), split
            assert means["oracle"] == 1 and means["no-op"] == 0, split


def test_readme_shows_the_published_board():
    board = (paths.ROOT / "figures" / "edgejson" / "leaderboard.md").read_text()
    assert board.strip() in (paths.ROOT / "README.md").read_text()


def test_style_is_kept():
    for command in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *command, str(paths.ROOT)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

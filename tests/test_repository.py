"""The repository's own promises: one list of dependencies, published results that can be re-derived."""

import re
import tomllib

import pytest
import yaml

from slmlib.core import paths
from slmlib.evaluation import results
from slmlib.evaluation import run as running
from slmlib.models import registry as models
from slmlib.pipeline import runs
from slmlib.tasks import base as tasks

LOCK = "".join((paths.ROOT / f"requirements{part}.lock").read_text() for part in ("", "-nodeps"))
PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
CONDA = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
RUNS = runs.runs()


def bare(requirement: str) -> str:
    """`jsonschema[format]>=4` is `jsonschema`; names compare as PyPI compares them."""
    return re.split(r"[\[=<>;~! ]", requirement)[0].lower().replace("_", "-")


def test_the_lock_pins_every_dependency():
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[A-Za-z0-9._-]+==[^ ]+( ; .*)?$", line) for line in lines)
    assert {bare(r) for r in wanted} <= {bare(line) for line in lines}
    exact = [r for r in wanted if "==" in r]
    assert all(r in lines for r in exact)


def test_the_lock_leaves_cuda_to_torch():
    assert not re.search(r"^(nvidia-[^m]|cuda|triton)", LOCK, re.MULTILINE)


def test_conda_installs_the_same():
    conda = [entry for entry in CONDA["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert f"python {PROJECT['project']['requires-python']}" in conda
    assert any(entry.startswith("quarto") for entry in conda)
    assert pip == ["-r requirements.lock", "-r requirements-nodeps.lock", "-e .[dev]"]
    assert set(PROJECT["project"]["optional-dependencies"]) == {"dev"}


def plan(run: dict) -> running.Plan:
    options = {
        key: value for key, value in run.items() if key not in ("quick", "task", "limit", "device_cases")
    }
    task = tasks.get(run["task"])
    options["prompt"] = run["prompt"] or models.usual_prompt(task, run["model"], run["decoding"])
    return running.prepare(task, **options, limit=run["limit"] or None, out=paths.RESULTS)


@pytest.mark.parametrize("name", RUNS)
def test_each_published_run_is_the_one_of_runs_yaml(name):
    """Its name is the hash of its settings, so data, prompt, weights and options are as published."""
    planned = plan(RUNS[name])
    result = results.load(planned.folder / f"{planned.name}.json")
    assert result.complete


def test_nothing_else_is_published():
    found = {result.run for result in results.load_all()}
    assert found == {plan(run).name for run in RUNS.values()}


@pytest.mark.parametrize("result", results.load_all(), ids=lambda result: result.run)
def test_published_numbers_follow_from_the_predictions(result):
    """Scored again from the completions, without the model: every score and every interval."""
    task = tasks.get(result.task)
    rows = {row["id"]: row for row in result.predictions()}
    examples = task.load(result.split)
    scores = [task.score(e, rows[e.id]["completion"], rows[e.id]["finish"]) for e in examples]
    for example, score in zip(examples, scores, strict=True):
        assert rows[example.id]["failure"] == score.failure
        assert rows[example.id]["scores"] == {k: round(v, 6) for k, v in score.scores.items()}
        finished = rows[example.id]["finish"] == "stop" and result.decoding["mode"] == "schema"
        assert not finished or score.scores["schema_compliance"] == 1, rows[example.id]
    again = running.summarise(task, examples, scores)
    for name, metric in result.metrics.items():
        assert metric == pytest.approx(again[name], abs=2e-6), name


def test_controls_are_published_and_behave():
    for split in ("test", "test_unseen", "test_noisy"):
        found = [result for result in results.load_all() if result.split == split]
        exact = {result.label: result.metrics["json_exact"]["mean"] for result in found}
        assert exact["oracle"] == 1 and exact["no-op"] == 0 and 0 < exact["rules"] <= 0.3
    models = [result for result in results.load_all() if not result.control and result.split == "test"]
    untuned = [r.metrics["json_exact"]["mean"] for r in models if r.model["name"] == "smollm2-135m-instruct"]
    assert 0 < max(untuned) < 0.6


def test_the_readme_shows_the_published_table():
    readme, table = ((paths.ROOT / name).read_text() for name in ("README.md", "figures/leaderboard.md"))
    assert table.strip() in readme


def test_the_readme_names_every_module():
    readme = (paths.ROOT / "README.md").read_text()
    modules = [path.name for path in (paths.ROOT / "slmlib").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in modules if name not in readme] == []

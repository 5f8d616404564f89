"""The contract of tasks: would break if a task needed a change in a shared module."""

import dataclasses
import sys

import pytest
import toy

from slmlib import tasks
from slmlib.core import io
from slmlib.core.names import UnknownName
from slmlib.engines.base import Choice, ToolCalls
from slmlib.tasks import base, datasets
from slmlib.tasks.base import Metric, Slice


def test_samples_are_loaded_in_file_order(toy_task):
    samples = toy_task.load("test")
    assert [sample.id for sample in samples] == [f"toy-test-{i}" for i in range(8)]
    assert toy_task.load("test", limit=3) == samples[:3]
    with pytest.raises(UnknownName, match=r"unknown split of toy 'tset'; did you mean 'test'\?"):
        toy_task.load("tset")


def test_changed_or_broken_data_are_refused(toy_task):
    path = toy_task.folder / "test.jsonl"
    path.write_text(path.read_text().replace("Ann", "Anna"))
    with pytest.raises(io.DataError, match=r"test.jsonl: sha256 .*git checkout.*01_generate"):
        toy_task.load("test")
    rows = toy_task.build()
    del rows["test"][4]["id"]
    toy_task.write(rows, toy_task.folder)
    with pytest.raises(io.DataError, match=r"test\.jsonl:5: \$: 'id' is a required .*schema"):
        toy_task.load("test")


def test_prompt_hash_follows_the_wording(toy_task):
    prompt = toy_task.prompts["plain"]
    assert prompt.messages(toy_task.load("test")[0])[-1]["content"].startswith("Text: Ann is 31")
    assert dataclasses.replace(prompt, name="other").sha256 == prompt.sha256
    assert dataclasses.replace(prompt, user=prompt.user + " ").sha256 != prompt.sha256


def test_request_has_constraint_and_tools_of_the_task(toy_tasks):
    def request(name: str, mode: str):
        task = toy_tasks[name]
        return task.request(task.load("test")[0], task.prompts["plain"], mode)

    assert request("toylabels", "free").constraint is None
    assert isinstance(request("toylabels", "constrained").constraint, Choice)
    tools = request("toytools", "constrained")
    assert isinstance(tools.constraint, ToolCalls) and len(tools.tools) == 1


def test_task_is_found_by_its_package_alone(tmp_path, monkeypatch):
    package = tmp_path / "edgetoy"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "task.py").write_text("from toy import TASK\n")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert "edgetoy" in base.names() and base.get("edgetoy").title == "Toy"
    sys.modules.pop("slmlib.tasks.edgetoy.task"), sys.modules.pop("slmlib.tasks.edgetoy")
    with pytest.raises(UnknownName, match=r"unknown task 'edgejsn'; did you mean 'edgejson'\?"):
        tasks.get("edgejsn")


def test_metrics_print_themselves():
    interval = {"mean": 0.03, "low": 0.01, "high": 0.085}
    change = {"mean": -0.021, "low": -0.05, "high": 0.011}
    share, graded = Metric("a", "A", "proportion"), Metric("b", "B", "mean")
    assert share.estimate(interval) == "3.0 % [1.0, 8.5]" and share.estimate(None) == "–"
    assert graded.estimate(interval) == "0.030 [0.010, 0.085]"
    assert share.span(interval) == "1.0–8.5 %" and graded.span(interval) == "0.010–0.085"
    assert share.difference(change) == "−2.1 [−5.0, +1.1]"
    assert graded.difference(change) == "−0.021 [−0.050, +0.011]"


def test_slice_values_are_shown_in_their_order_then_the_others():
    ordered = Slice("size", "Size", ("small", "large")).ordered({"odd", "large", "big", "small"})
    assert ordered == ["small", "large", "big", "odd"]


def test_manifest_counts_slices_and_a_changed_file_is_reported(toy_task, tmp_path):
    manifest = toy_task.manifest()
    assert manifest["counts"]["test"]["slices"] == {"size": {"large": 4, "small": 4}}
    assert manifest["files"]["test.jsonl"]["rows"] == 8
    mine = tmp_path / "mine"
    toy_task.write(toy_task.build(), mine)
    assert all(row["same"] for row in datasets.compare(mine, toy_task.folder))
    (mine / "val.jsonl").write_text("")
    comparison = datasets.compare(mine, toy_task.folder)
    with pytest.raises(io.DataError, match=r"val\.jsonl: the generated files differ"):
        datasets.require_same(comparison, toy_task.folder)
    assert datasets.publish(mine, tmp_path / "published")[-1] == datasets.MANIFEST


def test_every_task_has_what_shared_code_takes_for_granted():
    for task in (*toy.TASKS, *map(tasks.get, tasks.names())):
        for role in ("train", "val", "test"):
            assert task.split_names(role), f"{task.name}: no {role} split"
        assert task.slices and task.ranking_split in task.split_names("test"), task.name
        assert "oracle" in task.controls and task.speed_split in task.split_names("test"), task.name
        assert set(task.default_prompts) == set(base.MODES), task.name
        if task.timing_slice:
            name, value = task.timing_slice
            timed = [s for s in task.load(task.split_names("val")[0]) if s.slices[name] == value]
            assert timed, f"{task.name}: no case to time"

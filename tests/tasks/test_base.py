"""The task abstraction: would break if a task needed a change in a shared module."""

import dataclasses
import sys

import pytest

import slmlib
from slmlib.core import io
from slmlib.core.names import UnknownName
from slmlib.tasks import base as tasks


def test_loads_examples_in_file_order(toy_task):
    examples = toy_task.load("test")
    assert [e.id for e in examples] == [f"toy-test-{i}" for i in range(8)]
    assert toy_task.load("test", limit=3) == examples[:3]


def test_unknown_split_lists_the_valid_ones(toy_task):
    with pytest.raises(UnknownName, match=r"unknown split of toy 'tset'; did you mean 'test'\? Valid: test"):
        toy_task.load("tset")


def test_changed_data_is_refused(toy_task):
    path = toy_task.folder / "test.jsonl"
    path.write_text(path.read_text().replace("Ann", "Anna"))
    with pytest.raises(
        io.DataError, match=r"test.jsonl: its sha256 is .* and not .*git checkout.*01_generate"
    ):
        toy_task.load("test")


def test_prompt_hash_follows_the_wording(toy_task):
    prompt = toy_task.prompts["zero-shot"]
    assert prompt.messages(toy_task.load("test")[0])[-1]["content"].startswith("Text: Ann is 31")
    assert dataclasses.replace(prompt, name="other").sha256 == prompt.sha256
    assert dataclasses.replace(prompt, user=prompt.user + " ").sha256 != prompt.sha256


def test_a_task_is_found_by_its_package_alone(tmp_path, monkeypatch):
    package = tmp_path / "edgetoy"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "task.py").write_text("from toy import TASK\n")
    monkeypatch.setattr(slmlib, "__path__", [*slmlib.__path__, str(tmp_path)])
    assert tasks.names() == ["edgejson", "edgetoy"]
    assert tasks.get("edgetoy").title == "Toy"
    sys.modules.pop("slmlib.edgetoy.task"), sys.modules.pop("slmlib.edgetoy")


def test_unknown_task_lists_the_valid_ones():
    with pytest.raises(UnknownName, match=r"unknown task 'edgejsn'; did you mean 'edgejson'\?"):
        tasks.get("edgejsn")

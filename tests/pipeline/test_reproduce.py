"""`make quick` on a toy pipeline: a person must see finished steps, and why one failed."""

import pytest

from slmlib.core import io, paths
from slmlib.pipeline import reproduce

SNAKEFILE = r"""
rule all:
    input: "runs/b.txt"

rule generate:
    output: "runs/a.txt"
    log: "runs/logs/quick/01_generate-toy.log"
    shell: "echo made > {output}; printf 'noise\n\r 50%%|##  | 1/2\r100%%|####| 2/2' > {log}"

rule evaluate:
    input: "runs/a.txt"
    output: "runs/b.txt"
    log: "runs/logs/quick/02_evaluate-toy-test-rules.log"
    shell: "printf '\r 0%%|\r 10%%|# | 1/9 [0:1]error: no weights\n' > {log}; cp good.txt {output}"
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/runs.yaml").touch()
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(reproduce.summary, "report", lambda profile: f"report of {profile}\n")
    return tmp_path


def test_failed_step_is_shown_with_its_last_lines_and_then_continued(clone, capsys):
    with pytest.raises(reproduce.StepError) as caught:
        reproduce.reproduce("quick")
    message = str(caught.value)
    assert message.startswith("evaluate toy-test-rules failed\n  error: no weights\n")
    assert "02_evaluate-toy-test-rules.log" in message and "10%" not in message
    assert "[1/2] generate toy" in capsys.readouterr().out
    (clone / "good.txt").write_text("made")
    reproduce.main(["quick"])
    shown = capsys.readouterr().out
    assert "[1/1] evaluate toy-test-rules" in shown and shown.endswith("report of quick\n")


def test_only_one_reproduction_runs_in_a_folder(clone):
    with io.lock(clone / "runs/lock"), pytest.raises(io.Busy, match="make quick"):
        reproduce.reproduce("quick")

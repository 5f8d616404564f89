"""Variants of a model: would break if a table compared runs that differ in two things, or lost one."""

import pytest
from toy_results import predictions, write_run

from slmlib.core import io
from slmlib.evaluation import comparisons, results
from slmlib.report import plots

GROUPS = {f"case-{i:03d}": f"g{i % 5}" for i in range(20)}
FULL = {"engine": "openvino", "dtype": "float32", "prompt": "one-shot"}


@pytest.fixture
def runs(tmp_path):
    """One model: its usual run, other prompts, other engines, and constrained."""
    write_run(tmp_path, predictions(10), run="a-usual", **FULL)
    write_run(tmp_path, predictions(6), run="b-zero", **FULL | {"prompt": "zero-shot"})
    write_run(tmp_path, predictions(12), run="c-three", **FULL | {"prompt": "three-shot"})
    gguf = {"engine": "llamacpp", "prompt": "one-shot"}
    write_run(
        tmp_path,
        predictions(9),
        run="d-q8",
        **gguf,
        dtype="q8_0",
        weights="q8_0",
        weights_bytes=1400,
    )
    write_run(tmp_path, predictions(4), run="e-q4", **gguf, dtype="source", weights="q4_k_m")
    write_run(tmp_path, predictions(10), run="e-f16", **gguf, dtype="f16", weights="f16")
    write_run(tmp_path, predictions(3), run="f-bf16", **FULL | {"dtype": "bfloat16"})
    bound = FULL | {"mode": "schema", "prompt": "one-shot-schema"}
    write_run(tmp_path, predictions(14), run="g-schema", **bound)
    write_run(
        tmp_path, predictions(20, n=10), run="h-part", n=20, **FULL | {"prompt": "one-shot-rules"}
    )
    return {result.run: result for result in results.load_all(tmp_path)}


def test_the_usual_prompt_in_the_first_engine_stands_for_the_model(runs):
    stands = comparisons.standing(reversed(runs.values()))
    assert {result.run for result in stands} == {"a-usual", "g-schema"}


def test_where_the_usual_run_lacks_another_stands_but_no_incomplete_one(runs):
    left = [runs[name] for name in ("e-q4", "h-part")]
    assert [result.run for result in comparisons.standing(left)] == ["e-q4"]


def test_two_types_of_file_agree_in_text_and_in_verdict(runs):
    """Nine right answers, of the ten that the other has, are the same text; one verdict differs."""
    assert comparisons.agreement(runs.values()) == {
        "toy_1m": {"answers": "19 of 20", "verdicts": "19 of 20"}
    }
    assert comparisons.agreement([run for name, run in runs.items() if name != "d-q8"]) == {}


def test_the_spread_is_over_prompts_alone(runs):
    """Other engines, the constraint and an incomplete run stay out."""
    found = comparisons.spread(runs["a-usual"], runs.values(), "json_exact")
    assert (found.low, found.middle, found.high, found.prompts) == (0.3, 0.5, 0.6, 3)
    assert found.text("json_exact") == "30.0–50.0–60.0 (3)"
    assert comparisons.spread(runs["g-schema"], runs.values()) is None
    table = comparisons.prompts_table(list(runs.values()))
    assert [row[1] for row in table.rows] == ["one-shot", "three-shot", "zero-shot"]


def test_engines_are_compared_with_the_run_that_stands(runs):
    """From many bits to few; the first is the reference, and its own difference is none."""
    table = comparisons.engines_table(list(runs.values()), GROUPS)
    assert [row[2] for row in table.rows] == ["float32", "f16", "bfloat16", "q8_0", "q4_k_m"]
    reference, _, _, eight, four = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert reference["Same answers"] == reference["FieldF1, difference"] == "–"
    assert eight["Same answers"] == "19/20" and eight["FieldF1, difference"].startswith("−0.025 [")
    assert four["Same answers"] == "14/20" and four["Weights, MB"] == "–"


def test_memory_is_that_of_the_profile(runs):
    """Of the same model, engine, type of number, decoding and prompt; a dash where nothing was measured."""
    engine = {"name": "llamacpp", "dtype": "q8_0"}
    found = {"model": "a-model", "engine": engine, "decoding": "free", "prompt": "one-shot"}
    found |= {"model": runs["d-q8"].model["name"], "peak_memory_bytes": 612_000_000}
    table = comparisons.engines_table(list(runs.values()), GROUPS, [found])
    column = table.header.index("Memory, MB")
    assert [row[column] for row in table.rows] == ["–", "–", "–", "612", "–"]


def test_the_tax_is_that_of_llama_cpp_s_weights(runs):
    """6 of 20 answers more are wrong than in 16 bits there, each of which loses half a point."""
    found = comparisons.tax(runs["a-usual"], runs.values(), "q4_k_m", groups=GROUPS)
    assert found["mean"] == pytest.approx(-0.15) and found["low"] < -0.15 < found["high"]
    exact = comparisons.tax(runs["a-usual"], runs.values(), "q4_k_m", "json_exact", GROUPS)
    assert exact["mean"] == pytest.approx(-0.3)
    assert comparisons.tax(runs["g-schema"], runs.values(), "q4_k_m") is None
    without = [run for name, run in runs.items() if name != "e-f16"]
    assert comparisons.tax(runs["a-usual"], without, "q4_k_m") is None


def test_free_and_constrained_runs_are_paired(runs, tmp_path):
    """With the usual prompt of each, then with the same one; another engine is no pair."""
    same = {"mode": "schema", "prompt": "one-shot"}
    write_run(tmp_path, predictions(12), run="i-schema-same", **FULL | same)
    write_run(tmp_path, predictions(20), run="j-schema-bf16", **FULL | same | {"dtype": "bfloat16"})
    table = comparisons.decodings_table(results.load_all(tmp_path), GROUPS)
    own, alike = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert own["JSONExact, difference"].startswith("+20.0 % [") and own["s/case, free"] == "0.67"
    assert alike["JSONExact, difference"].startswith("+10.0 % [")
    assert (own["Prompts"], alike["Prompts"]) == ("each its own", "the same")


def test_times_are_those_of_the_split_that_is_timed(tmp_path):
    """Runs of the other splits may have shared the machine, and their times would say nothing."""
    for mode in ("free", "schema"):
        usual = {"prompt": "one-shot" if mode == "free" else "one-shot-schema", "mode": mode}
        write_run(tmp_path, predictions(10), run=mode, split="test_noisy", **FULL | usual)
    table = comparisons.decodings_table(results.load_all(tmp_path), GROUPS)
    assert table.rows[0][1] == "test_noisy" and "s/case, free" not in table.header


def test_times_of_one_cpu_name_with_other_instructions_do_not_stand_side_by_side(tmp_path):
    for mode in ("free", "schema"):
        usual = {"prompt": "one-shot" if mode == "free" else "one-shot-schema", "mode": mode}
        path = write_run(tmp_path, predictions(10), run=mode, **FULL | usual)
    record = io.read_json(path)
    record["environment"]["machine"]["features"] = ["avx", "avx2"]
    io.write_json(path, record)
    found = results.load_all(tmp_path)
    assert "s/case, free" not in comparisons.decodings_table(found, GROUPS).header
    assert {results.machine(run) for run in found} == {"2 × Toy CPU", "2 × Toy CPU, avx2"}


def test_the_leaderboard_says_what_is_known_and_leaves_out_the_rest(runs):
    rows = results.leaderboard([runs["a-usual"]], GROUPS)
    more = comparisons.columns(list(runs.values()), GROUPS)
    text = results.leaderboard_table(rows, more=more)
    assert r"| Prompts | Q8\_0 | Q4\_K\_M |" in text
    assert "| −0.025 [" in text and "| −0.150 [" in text
    alone = results.leaderboard_table(rows, more=comparisons.columns([runs["a-usual"]]))
    assert "Prompts" not in alone and "Q8" not in alone


def test_figures_show_every_run(runs):
    """A mark for each; the run that stands for the model is full."""
    family = comparisons.engines_of(runs["a-usual"], runs.values())
    names = [text.get_text() for text in plots.plot_engines([family]).get_yticklabels()]
    assert names == [
        "openvino, float32",
        "llamacpp, f16",
        "openvino, bfloat16",
        "llamacpp, q8_0",
        "llamacpp, q4_k_m",
    ]
    worded = [runs["a-usual"], runs["b-zero"], runs["c-three"]]
    drawn = [line.get_xdata() for line in plots.plot_prompts([worded]).lines]
    assert sorted(x for xs in drawn[1:] for x in xs) == pytest.approx([0.65, 0.75, 0.8])

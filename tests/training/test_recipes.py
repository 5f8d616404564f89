"""Recipes: would break if one was misread, or a mistake in one was not refused."""

import pytest
import toy_model

from slmlib.core import io
from slmlib.models import registry
from slmlib.training import recipes, sft


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a recipe from its text."""

    def load(text: str | bytes, name: str = "mine") -> recipes.Recipe:
        text = text if isinstance(text, bytes) else f"about: Mine.\n{text}".encode()
        (tmp_path / f"{name}.yaml").write_bytes(text)
        monkeypatch.setattr(recipes, "FOLDER", tmp_path)
        return recipes.load(name)

    return load


def test_published_recipes_name_a_model_and_a_task():
    names = recipes.names()
    assert {"edgejson/gpu", "edgejson/ablations/base"} <= set(names)
    assert "edgejson/ablations" not in names
    for name in names:
        recipe = recipes.load(name)
        assert recipe["model"] in registry.MODELS and recipe["data"], name


def test_the_recipe_of_the_published_model_runs(tmp_path, monkeypatch):
    """As it is, except for a toy network, few cases and short evaluations."""
    monkeypatch.setenv("SLMBENCH_MODELS", str(tmp_path / "models"))
    model = toy_model.write()
    monkeypatch.setitem(registry.MODELS, model.name, model)
    settings = recipes.load("edgejson/gpu").settings
    few = {"train": 0.01, "passes": 1, "extended": 4}
    small = {
        "model": model.name,
        "data": {"edgejson": settings["data"]["edgejson"] | few},
        "evaluation": {"every": 100, "loss": 2, "answers": 0},
    }
    recipe = recipes.Recipe("edgejson/gpu", {**settings, **small})
    record = io.read_json(sft.train(recipe, out=tmp_path) / registry.RECORD)
    counts = record["data"]["tasks"]["edgejson"]
    assert counts["train_extended"] == 4 and counts["cases"] == record["data"]["cases"] == 12
    assert record["prompts"] == {"edgejson": "zero-shot-schema"}
    assert recipes.from_record(record).sha256 == recipe.sha256


def test_a_mistake_is_refused_with_file_key_and_rule(load):
    """Unknown keys and tasks list the valid ones."""
    task = "data: {edgejson: {%s}}"
    for text, message in {
        "rank: 8": r"mine.yaml: \$: unknown key 'rank'.* Valid: from, about, model",
        "batch: {lesson: 5}": r"\$.batch: unknown key 'lesson'\. Valid: group, tokens, packs",
        "batch: {tokens: 10}": r"\$.batch.tokens: 10 is less than the minimum of 64",
        "seed: 4294967296": r"\$.seed: 4294967296 is greater than the maximum",
        "method: dpo": r"\$.method: 'dpo' is not one of \['full', 'lora', 'qlora'\]",
        "seed: 1": r"\$.data: names no task\. Valid: edgejson",
        "data: {edgejsn: {}}": r"\$.data: unknown key 'edgejsn'; did you mean 'edgejson'",
        task % "reshaped: 1": r"\$.data.edgejson: unknown key 'reshaped'.* Valid: train, passes",
        task % "train: 2": r"\$.data.edgejson.train: 2 is greater than the maximum of 1",
        task % "registers: [recipt]": r"\$.data.edgejson.registers\[0\]: 'recipt' .*'receipt'",
        "from: nowhere": r"mine.yaml: \$.from: 'nowhere' is not another recipe\. Valid: mine",
        "from: mine": r"mine.yaml: \$.from: 'mine' is not another recipe",
        "optimiser: {clip: .nan}": r"\.nan is not a finite number .*line 2, column 19",
        "optimiser: {clip: 1e999}": r"1e999 is not a finite number",
        "seed: 1\nseed: 2": r"mine.yaml: not valid YAML .* a key occurs twice; remove one .*line 1",
        "[": "mine.yaml: not valid YAML .*line 1",
    }.items():
        with pytest.raises(io.DataError, match=r"\.yaml: ") as error:
            load(text)
        assert error.match(message), text
    with pytest.raises(io.DataError, match=r"mine.yaml: not valid YAML in UTF-8: .*position 10"):
        load(b"about: caf\xe9")


def test_a_task_without_training_data_is_refused(load, toy_tasks):
    with pytest.raises(io.DataError, match=r"\$.data: unknown key 'toytools'"):
        load("data: {toytools: {}}")


def test_powers_of_ten_are_numbers(load):
    """YAML 1.1 reads 1e-3 as text, and JSON Schema takes 4e4 for an integer."""
    mine = load("data: {edgejson: {extended: 4e4}}\noptimiser: {learning_rate: 1e-3, warmup: 5E-2}")
    assert (mine["optimiser"]["learning_rate"], mine["optimiser"]["warmup"]) == (0.001, 0.05)
    assert repr(mine["data"]["edgejson"]["extended"]) == "40000"


def test_a_recipe_changes_only_what_it_names(load):
    first = load("data: {edgejson: {train: 0.5}}\nlora: {rank: 8}", "first")
    second = load("from: first\nlora: {alpha: 2}", "second")
    assert second["lora"] == first["lora"] | {"alpha": 2} and second["data"] == first["data"]


def test_only_what_affects_the_model_is_hashed(load):
    first = load("data: {edgejson: {}}")
    for text in ("budget: {minutes: 1}", "checkpoints: {every: 7}"):
        assert load(f"data: {{edgejson: {{}}}}\n{text}").sha256 == first.sha256
    assert load(b"about: Other words.\ndata: {edgejson: {}}").sha256 == first.sha256
    assert load("data: {edgejson: {train: 0.5}}").sha256 != first.sha256


def test_an_unknown_recipe_lists_the_others():
    with pytest.raises(ValueError, match=r"unknown recipe 'edgejson/cpi'; did you mean 'edgejson/"):
        recipes.load("edgejson/cpi")

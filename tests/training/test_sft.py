"""Training: would break if a kill changed the weights, or a damaged file was trusted.

A toy network with the embedded model's tokenizer learns a toy task.
"""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_training
from safetensors import SafetensorError

from slmlib.core import io, machine
from slmlib.models.registry import RECORD
from slmlib.training import clock, packing, recipes, sft, trainer, training_set


class Killed(BaseException):
    """Ends a run without its leave."""


def weights(folder: Path) -> dict[str, str]:
    return {path.name: io.sha256(path) for path in (folder / "model").glob("*.safetensors")}


def at_call(patch: pytest.MonkeyPatch, owner, name: str, number: int, action) -> None:
    """Make a function do something else, first, at one of its calls."""
    original, calls = getattr(owner, name), []

    def replaced(*arguments, **options):
        calls.append(1)
        if len(calls) == number:
            action()
        return original(*arguments, **options)

    patch.setattr(owner, name, replaced)


def kill() -> None:
    raise Killed


@pytest.fixture(scope="module")
def unbroken(home, tmp_path_factory):
    """The folder of a run that was left alone, by method."""
    folders = {}

    def run(recipe: recipes.Recipe) -> Path:
        if recipe["method"] not in folders:
            folders[recipe["method"]] = sft.train(recipe, out=tmp_path_factory.mktemp("unbroken"))
        return folders[recipe["method"]]

    return run


# --- kills and resumption ---------------------------------------------------------------------


def test_a_killed_run_ends_in_the_weights_of_an_unbroken_one(recipe, unbroken, tmp_path):
    """To the bit, and in its record: killed between two packs of a step, while a checkpoint is
    written, and in evaluations."""
    for method, owner, name, number in (
        ("lora", packing, "loss", 6),
        ("full", io, "write_manifest", 2),
        ("lora", trainer.Trainer, "_scores", 1),
        ("lora", trainer.Trainer, "_scores", 2),
    ):
        settings, out = recipe(method=method), tmp_path / f"{name}-{number}"
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            at_call(patch, owner, name, number, kill)
            sft.train(settings, out=out)
        folder = sft.train(settings, out=out)
        assert weights(folder) == weights(unbroken(settings)), (name, number)
        assert sorted(path.name for path in folder.iterdir()) == [
            ".lock", "model", "tensorboard", RECORD
        ]  # fmt: skip
        one, other = (io.read_json(each / RECORD) for each in (folder, unbroken(settings)))
        assert one["validation"] == other["validation"] and len(one["validation"]) == 2
        assert one["loss"] == other["loss"]


def test_a_run_that_is_asked_to_stop_writes_a_checkpoint(recipe, unbroken, tmp_path, monkeypatch):
    """As by Ctrl-C or at the end of a rented machine; nothing learned is lost."""
    settings, handler = recipe(checkpoints={"every": 100}), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        # the handler is called, because a signal crashes a process that has used another engine
        at_call(patch, packing, "loss", 4, lambda: signal.getsignal(signal.SIGTERM)())
        with pytest.raises(sft.TrainingError, match=r"stopped\. .*checkpoint-2 is kept\. To resum"):
            sft.train(settings, out=tmp_path)
    assert signal.getsignal(signal.SIGTERM) == handler
    assert weights(sft.train(settings, out=tmp_path)) == weights(unbroken(recipe()))


def test_a_run_resumes_only_on_its_own_training_set(recipe, unbroken, tmp_path, monkeypatch):
    """Edited generators build the set again; if it is the same, the run goes on."""
    settings = recipe()
    sft.train(settings, out=tmp_path, until=2)
    monkeypatch.setattr(training_set, "_sources_sha256", lambda recipe: "edited")
    with monkeypatch.context() as patch:
        sample = toy_training.ToyTraining._sample
        patch.setattr(
            toy_training.ToyTraining, "_sample", lambda self, s, group: sample(self, s, "one")
        )
        with pytest.raises(sft.TrainingError, match=r"checkpoint-2 was trained on other samples"):
            sft.train(settings, out=tmp_path)
    (next(tmp_path.glob("toy-*")) / training_set.FILE).unlink()
    assert weights(sft.train(settings, out=tmp_path)) == weights(unbroken(settings))


def test_a_damaged_checkpoint_is_skipped(recipe, tmp_path, capsys):
    folder = sft.train(recipe(), out=tmp_path, until=3)
    newest = trainer.latest_checkpoint(folder)
    state = newest / trainer.STATE
    state.write_bytes(state.read_bytes()[:-100])
    older = trainer.latest_checkpoint(folder)
    assert (newest.name, older.name) == ("checkpoint-3", "checkpoint-2")
    assert f"checkpoint-3 is skipped: {trainer.STATE} changed" in capsys.readouterr().out
    (newest / io.FOLDER_MANIFEST).unlink()
    newest.rename(newest.with_name("checkpoint-3.bak"))  # someone's own copy
    assert trainer.latest_checkpoint(folder) == older


# --- what stops a run -------------------------------------------------------------------------


def test_a_run_that_diverges_stops(recipe, tmp_path, monkeypatch):
    """The loss may be finite and the gradient not: such a step would leave worthless weights."""
    loss = packing.loss
    for broken, message in (
        ("loss", r"loss is nan at step 1\."),
        ("gradient", r"gradient is (nan|inf) at step 1\."),
        ("validation", r"validation loss is nan after step 3\."),
    ):

        def failing(network, batch, broken=broken):
            value = loss(network, batch)
            if broken == "gradient":
                weight = next(p for p in network.parameters() if p.requires_grad)
                return value + (weight.flatten()[0] * 0).sqrt()  # 0, with an infinite slope
            return value * float("nan") if network.training == (broken == "loss") else value

        monkeypatch.setattr(packing, "loss", failing)
        with pytest.raises(sft.TrainingError, match=message + r".* set a lower optimiser\.learn"):
            sft.train(recipe(), out=tmp_path / broken)


def test_what_stops_a_run_is_explained(recipe, tmp_path, monkeypatch):
    """The text of the safetensors error is that of a full disk."""
    for number, (error, message) in enumerate(
        (
            (RuntimeError("DefaultCPUAllocator: can't allocate memory"), r"out of memory\. Free"),
            (OSError(28, "No space left on device"), "no space left on the disk"),
            (SafetensorError("I/O error: No space left on device (os error 28)"), "no space left"),
            (KeyboardInterrupt(), r"stopped\."),
        )
    ):

        def fail(error=error):
            raise error

        end = r".*checkpoint-1 is kept\. To resume from it: make full$"
        with (
            monkeypatch.context() as patch,
            pytest.raises(sft.TrainingError, match=message + end),
        ):
            at_call(patch, io, "write_manifest", 2, fail)
            sft.train(recipe(), out=tmp_path / str(number), command="make full")


def test_a_recipe_that_selects_nothing_says_what_to_change(recipe, tmp_path):
    settings = recipe().settings
    for changes, message in (
        ({"data": {"toy": {"people": 0, "tone": "calm"}}}, r"0 are longer .*select more in `data`"),
        ({"batch": {**settings["batch"], "tokens": 9}}, "26 are longer than batch.tokens, 9"),
    ):
        with pytest.raises(sft.TrainingError, match=message):
            sft.train(recipes.Recipe("toy", {**settings, **changes}), out=tmp_path)


def test_only_registered_models_are_trained_and_by_one_process(recipe, tmp_path):
    with pytest.raises(ValueError, match="unknown model to train 'cpu-1-0123abcd'"):
        sft.train(recipe(model="cpu-1-0123abcd"))
    settings = recipe()
    with (
        io.lock(tmp_path / sft.run_name(settings) / ".lock"),
        pytest.raises(io.Busy, match="another process is working on toy-1-"),
    ):
        sft.train(settings, out=tmp_path)


# --- the record -------------------------------------------------------------------------------


def test_the_record_describes_the_run(recipe, unbroken):
    settings = recipe()
    folder = unbroken(settings)
    record = io.read_json(folder / RECORD)
    assert record["recipe"]["lora"]["rank"] == 2 and record["weights"] == weights(folder)
    assert [line["step"] for line in record["loss"]] == list(range(1, record["steps"] + 1))
    assert record["loss"][0]["learning_rate"] == 0 < record["loss"][1]["learning_rate"]
    assert record["validation"][-1].keys() == {"step", "loss", "answers", "tasks"}
    assert record["validation"][-1]["step"] == record["steps"]
    assert record["validation"][-1]["tasks"]["toy"].keys() == {"exact", "share"}
    assert record["data"]["cases"] == record["data"]["tasks"]["toy"]["cases"] == 26
    assert record["data"]["saved_by_packing"] > 0.1 and record["prompts"] == {"toy": "plain"}
    training = record["seconds"] - record["seconds_of_evaluation"]
    assert 0 < record["estimated"]["seconds"] <= training + 0.1
    speed = record["data"]["tokens"] / training
    assert record["tokens_per_second"] == pytest.approx(speed, rel=0.2)
    assert record["energy"].startswith(("estimated", "measured"))
    assert list((folder / "tensorboard").iterdir())
    assert sft.train(settings, out=folder.parent) == folder  # finished work is not repeated


def test_the_estimate_leaves_out_evaluations_and_counts_warm_up_once(monkeypatch):
    now = SimpleNamespace(time=0.0)
    energy = SimpleNamespace(source="measured", joules=10)  # of each reading
    energy.__enter__ = energy.__exit__ = lambda *_: None
    monkeypatch.setattr(clock.machine, "Energy", lambda every: energy)
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now.time)
    with clock.Clock() as timer:
        for step in range(1, clock.ESTIMATED + 1):
            now.time += 100 if step == 1 else 1
            if step == 5:
                with timer.evaluating():
                    now.time += 40
            assert timer.extrapolate(step, 110) == (step == clock.ESTIMATED)
    assert timer.estimate == {"after_steps": 10, "seconds": 209.0, "joules": 316}
    assert timer.seconds == {"training": 109, "evaluation": 40}


# --- settings ---------------------------------------------------------------------------------


def test_packs_of_a_step_go_together_as_a_gpu_has_memory(monkeypatch):
    """In numbers that divide a step; with little memory, one at a time."""
    network = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=30, hidden_size=576))
    recipe = recipes.Recipe("some", {"batch": {"tokens": 8192, "packs": 6}})
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    counts = []
    for gigabytes in (2, 32, 50, 70, 100, 400):
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda size=gigabytes: (0, size * 10**9))
        counts.append(trainer.packs_at_once(recipe, network))
    assert counts == sorted(counts) and set(counts) == {1, 2, 3, 6}


def test_a_run_in_another_precision_is_another_run(recipe, monkeypatch):
    """If the recipe leaves it to the machine; else the machine does not matter."""
    fixed, auto, names = recipe(), recipe(precision="auto"), set()
    for faster in (False, True):
        for question in ("torch_has_gpu", "bfloat16_is_faster"):
            monkeypatch.setattr(machine, question, lambda faster=faster: faster)
        names |= {sft.run_name(fixed), sft.run_name(auto)}
    assert len(names) == 3


def test_the_command_prepares_and_trains(recipe, tmp_path, monkeypatch, capsys):
    settings, out = recipe(), str(tmp_path / "runs")
    monkeypatch.setattr(recipes, "load", lambda name, seed: settings)
    sft.main(["toy", "--out", out, "--prepare"])
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert (folder / training_set.FILE).exists() and not (folder / RECORD).exists()
    sft.main(["toy", "--out", out])
    assert (folder / RECORD).exists()


def test_qlora_trains_over_four_bits(recipe, tmp_path, monkeypatch):
    pytest.importorskip("bitsandbytes")
    load, modules = trainer.load_network, []

    def watched(*arguments):
        network = load(*arguments)
        modules.extend(type(module).__name__ for module in network.modules())
        return network

    monkeypatch.setattr(trainer, "load_network", watched)
    folder = sft.train(recipe(method="qlora", data={"toy": {"people": 4}}), out=tmp_path)
    assert io.read_json(folder / RECORD)["steps"] > 0 and weights(folder)
    assert modules.count("Linear4bit") >= 7


def test_the_learning_rate_warms_up_and_follows_its_schedule():
    """As `transformers.get_scheduler`, which trained the published models."""
    import torch
    from transformers import get_scheduler

    for schedule in ("cosine", "linear", "constant_with_warmup"):
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        steps, warmup = 11, 0.25
        expected = get_scheduler(schedule, optimiser, 3, steps)
        settings = {"learning_rate": 0.5, "schedule": schedule, "warmup": warmup}
        for step in range(steps):
            rate = trainer.learning_rate(settings, step, steps)
            assert rate == expected.get_last_lr()[0], (schedule, step)
            optimiser.step()
            expected.step()

"""Toy tasks: answered in seconds, and different enough to show that shared code names none.

toy         text and schema in, JSON out; one turn, a constraint by JSON Schema
toylabels   an utterance in, one of four labels out; a choice, macro-F1, an out-of-scope slice
toytools    a request in, a tool call and a report out; two turns, scored by the state of its house
"""

import json
from itertools import chain
from pathlib import Path

from slmlib.engines.base import Choice, JsonSchema, ToolCalls
from slmlib.tasks import base, datasets
from slmlib.tasks.base import Check, Metric, Prompt, Sample, Score, Slice, Split, Task, Transcript

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "maximum": 99},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
PEOPLE = (
    ("Ann", 31), ("Bob", 44), ("Cleo", 27), ("Dev", 63), ("Eve", 19), ("Finn", 52), ("Gus", 38),
    ("Hana", 70),
)  # fmt: skip
UTTERANCES = (
    ("Make it warmer in here.", "heat_up", "in"),
    ("I'm freezing.", "heat_up", "in"),
    ("Turn on the lamp.", "light_on", "in"),
    ("It's so dark.", "light_on", "in"),
    ("Lock the front door.", "lock", "in"),
    ("Shut the house for the night.", "lock", "in"),
    ("What is the capital of Peru?", "none", "out"),
    ("Sing me a song.", "none", "out"),
)
LABELS = ("heat_up", "light_on", "lock", "none")
REQUESTS = (("kitchen", 21), ("bedroom", 18), ("kitchen", 19), ("bath", 23))
TOOL = {
    "type": "function",
    "function": {
        "name": "set_temperature",
        "description": "Set the temperature of a room.",
        "parameters": {
            "type": "object",
            "properties": {
                "room": {"enum": ["kitchen", "bedroom"]},
                "celsius": {"type": "integer", "minimum": 15, "maximum": 25},
            },
            "required": ["room", "celsius"],
            "additionalProperties": False,
        },
    },
}


class _Toy(Task):
    """Shared by the toys: splits of the same cases, and a generator of a few lines."""

    version = scorer_version = "1"
    splits = (Split("train", "train"), Split("val", "val"), Split("test", "test", "all there is"))
    ranking_split = "test"
    default_prompts = {"free": "plain", "constrained": "plain"}
    max_new_tokens = 24

    def __init__(self):
        self.more = {}  # controls that a test adds

    @property
    def controls(self):
        return {**self.answers(), **self.more}

    def rows(self, split: str) -> list[dict]:
        """A row of each case of the toy: its group, slices, input and target."""
        return [
            {
                "id": f"{self.name}-{split}-{i}",
                "task": self.name,
                "split": split,
                "group": group,
                "slices": slices,
                "input": given,
                "target": target,
                "meta": {},
            }
            for i, (group, slices, given, target) in enumerate(self.cases())
        ]

    def render(self, sample: Sample, row, *, model: str) -> str:
        return f"{sample.input['text']} -> {model}: `{len(row['turns'])} turns`"

    # a generator: the task makes its own data
    @property
    def generator(self):
        return self

    def build(self, *, seed=None, on_case=lambda: None) -> dict[str, list[dict]]:
        rows = {split.name: self.rows(split.name) for split in self.splits}
        for _ in chain.from_iterable(rows.values()):
            on_case()
        return rows

    def prove(self, rows) -> list[Check]:
        every = [row for part in rows.values() for row in part]
        repeated = len(every) - len({row["id"] for row in every})
        return [Check("ids are unique", len(every), (f"{repeated} repeated",) if repeated else ())]

    def write(self, rows, folder: Path, *, seed: int | None = None) -> dict:
        path = folder / "sample.schema.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps({"type": "object", "required": ["id", "group", "slices"]}), "utf-8"
        )
        return datasets.write(rows, folder, {"name": self.name, "version": "1.0.0"})


class Toy(_Toy):
    name, title = "toy", "Toy"
    slices = (Slice("size", "Size", ("small", "large")),)
    metrics = (
        Metric("exact", "Exact", "proportion", "the answer is right"),
        Metric("share", "Share", "mean", "share of the fields that are right"),
        Metric("fields", "Fields", "ratio", "right fields over all fields", board=False),
    )
    failures = {"unreadable": "unreadable", "wrong": "wrong value", "error": "no answer"}
    prompts = {
        "plain": Prompt("plain", "", "Text: {text}\nJSON:", lambda s: {"text": s.input["text"]}),
        "bare": Prompt("bare", "", "{text} JSON:", lambda s: {"text": s.input["text"]}, chat=False),
    }
    stop = "json"

    def cases(self):
        for i, (name, age) in enumerate(PEOPLE):
            text = f"{name} is {age} years old." + " Nice to meet you." * i
            slices = {"size": "small" if i < 4 else "large"}
            target = {"name": name, "age": age}
            yield "person" if i % 2 else "guest", slices, {"text": text, "schema": SCHEMA}, target

    def constraint(self, sample, prompt):
        return JsonSchema(sample.input["schema"])

    def score(self, sample: Sample, transcript: Transcript) -> Score:
        completion = transcript.last
        try:
            answer = json.loads(completion.text)
        except ValueError:
            answer = None
        answer = answer if isinstance(answer, dict) else {}
        right = sum(answer.get(key) == value for key, value in sample.target.items())
        failure = None if answer == sample.target else "wrong" if answer else "unreadable"
        failure = "error" if completion.finish == "error" else failure
        return Score(
            {"exact": float(failure is None), "share": right / 2}, {"fields": [right, 2]}, failure
        )

    def answers(self):
        return {
            "no-op": lambda sample, messages: "",
            "oracle": lambda sample, messages: json.dumps(sample.target),
            "rules": lambda sample, messages: json.dumps({"name": sample.input["text"].split()[0]}),
        }


class ToyLabels(_Toy):
    name, title = "toylabels", "Toy labels"
    slices = (Slice("scope", "Scope", ("in", "out")),)
    metrics = (
        Metric("macro_f1", "Macro-F1", "macro", "mean F1 over the labels"),
        Metric("accuracy", "Accuracy", "proportion", "the label is right"),
    )
    failures = {
        "not_a_label": "not a label",
        "missed_out_of_scope": "missed out of scope",
        "wrong_label": "wrong label",
        "error": "no answer",
    }
    prompts = {
        "plain": Prompt(
            "plain", "Answer with one label.", "Labels: {labels}\n{text}\nLabel:",
            lambda s: {"text": s.input["text"], "labels": ", ".join(LABELS)},
            read=lambda s, text: text.strip().lower(),
        ),
    }  # fmt: skip
    stop = "line"

    def cases(self):
        return [
            (label, {"scope": scope}, {"text": text}, label) for text, label, scope in UTTERANCES
        ]

    def constraint(self, sample, prompt):
        return Choice(LABELS)

    def score(self, sample: Sample, transcript: Transcript) -> Score:
        answer = transcript.answers[-1]
        if answer == sample.target:
            return Score({"accuracy": 1.0}, {"macro_f1": {sample.target: [2, 2]}})
        counts = {sample.target: [0, 1]} | ({answer: [0, 1]} if answer in LABELS else {})
        failure = "missed_out_of_scope" if sample.target == "none" else "wrong_label"
        failure = failure if answer in LABELS else "not_a_label"
        failure = "error" if transcript.last.finish == "error" else failure
        return Score({"accuracy": 0.0}, {"macro_f1": counts}, failure)

    def answers(self):
        return {
            "oracle": lambda sample, messages: sample.target,
            "majority": lambda sample, messages: "none",
        }


class _House:
    """An environment of one tool and one turn after it."""

    def __init__(self):
        self.state, self.turn = {}, 0

    def step(self, answer: str):
        self.turn += 1
        if self.turn > 1:
            return None
        try:
            call = json.loads(answer.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
            arguments = call["arguments"]
            if arguments["room"] not in ("kitchen", "bedroom"):
                raise KeyError(arguments["room"])
            self.state[arguments["room"]] = arguments["celsius"]
            result = {"ok": True}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            result = {"error": type(error).__name__}
        return [
            {"role": "assistant", "content": answer},
            {"role": "tool", "content": json.dumps(result)},
        ]


class ToyTools(_Toy):
    name, title = "toytools", "Toy tools"
    slices = (Slice("room", "Room"),)
    metrics = (
        Metric("success", "Success", "proportion", "the house is right, and it was reported"),
    )
    failures = {"wrong_state": "wrong state", "silent": "no report", "error": "no answer"}
    prompts = {
        "plain": Prompt(
            "plain", "You run a house.", "{text}",
            lambda s: {"text": s.input["text"]},
            tools=lambda s: (TOOL,),
        ),
    }  # fmt: skip
    max_new_tokens, max_turns = 64, 2

    def cases(self):
        for i, (room, celsius) in enumerate(REQUESTS):
            target = {} if room == "bath" else {room: celsius}
            text = f"Set the {room} to {celsius} degrees."
            yield f"scenario-{i // 2}", {"room": room}, {"text": text}, target

    def constraint(self, sample, prompt):
        return ToolCalls((TOOL,))

    def environment(self, sample, prompt):
        return _House()

    def score(self, sample: Sample, transcript: Transcript) -> Score:
        house = _House()
        for completion in transcript.completions:
            house.step(completion.text)
        failure = None if house.state == sample.target else "wrong_state"
        if failure is None and not (house.turn == 2 and transcript.last.text.strip()):
            failure = "silent"
        failure = "error" if transcript.last.finish == "error" else failure
        return Score({"success": float(failure is None)}, failure=failure)

    def answers(self):
        def oracle(sample, messages):
            if messages[-1]["role"] == "tool":
                return "Done."
            (room, celsius), *_ = [*sample.target.items(), ("bath", 23)]
            call = {"name": "set_temperature", "arguments": {"room": room, "celsius": celsius}}
            return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"

        return {"no-op": lambda sample, messages: "", "oracle": oracle}


TASK, LABEL_TASK, TOOL_TASK = Toy(), ToyLabels(), ToyTools()
TASKS = (TASK, LABEL_TASK, TOOL_TASK)


def write(folder: Path) -> None:
    """Make the data sets of all toys in a folder, and register the tasks."""
    for task in TASKS:
        task.write(task.build(), folder / task.name)
        base.REGISTERED[task.name] = task

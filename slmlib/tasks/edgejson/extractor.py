"""A JSON extractor in three lines: a text and a JSON Schema in, a checked dict out.

    from slmlib import Extractor

    extract = Extractor("cyclecore-mlm-135m-json")
    extract("Ana Ruiz, room 12, from 3 May 2026", schema)

The answer is constrained to the schema as it is written, and checked against it once more; it may still be
wrong, as the results of the model say how often.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from jsonschema import Draft202012Validator, SchemaError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from slmlib.engines import base as engines
from slmlib.engines import constraints
from slmlib.engines.constraints import UnsupportedSchema
from slmlib.models import registry as models
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample
from slmlib.tasks.edgejson import scoring

MODEL = "cyclecore-mlm-135m-json"
LOCAL = tuple(name for name in engines.ENGINES if name != "openai")
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


class InvalidSchema(ValueError):
    """A schema that no model is asked with: says where it breaks which rule, and how to mend it.

    It is no JSON Schema of draft 2020-12, has a reference that leads nowhere, or is not one of an object.
    """


class InvalidText(ValueError):
    """A text that no model is asked about, since it is not Unicode: says where, and how to mend it."""


class ExtractionError(RuntimeError):
    """There is no answer to give: says why. `completion` is what the model wrote."""

    def __init__(self, message: str, completion: str = ""):
        super().__init__(message)
        self.completion = completion


class Extractor:
    """A loaded model that fills schemas from texts.

    Args:
        model: a model of the registry, or one that was trained here.
        engine: "openvino", "transformers" or "llamacpp"; "auto" takes the fastest that reads the model.
        dtype: a type of the engine.
        constrained: whether the grammar of the schema bounds the answer; without it a model may write
            what is not valid, which is an error.
        threads: cores to use; all that there are if not given.

    Raises:
        UnknownName: there is no such model or engine.
        ModelError, EngineError: the weights are not here, or the engine is not installed.
    """

    def __init__(
        self,
        model: str = MODEL,
        *,
        engine: str = "auto",
        dtype: str = "auto",
        constrained: bool = True,
        threads: int | None = None,
    ):
        known = models.get(model)
        self.model, self.decoding = model, "schema" if constrained else "free"
        self.task = tasks.get("edgejson")
        self.prompt = self.task.prompts[models.usual_prompt(self.task, model, self.decoding)]
        name = engines.resolve(tasks.choose("engine", engine, ("auto", *LOCAL)), gguf=models.has_gguf(known))
        dtype = engines.resolve_dtype(dtype, engine=name)
        self.engine = engines.start(name, model, dtype=dtype, batch_size=1, threads=threads)
        self._numbers = count()

    def __call__(self, text: str, schema: Mapping) -> dict:
        """Fill a schema from a text.

        Args:
            text: what is to be read.
            schema: a JSON Schema of an object, which the model is shown as it is; keywords that a grammar
                cannot hold are refused by name, unless the answer is not constrained.

        Returns:
            An object that is valid under the schema.

        Raises:
            InvalidText: the text is not Unicode.
            InvalidSchema: the schema is broken, or not one of an object.
            UnsupportedSchema: the grammar cannot hold the schema.
            ExtractionError: the text is too long, or the answer was cut off or is not valid.
        """
        (found,) = self._answers([self._case(text, schema)])
        if isinstance(found, ExtractionError):
            raise found
        return found

    def batch(self, pairs: Iterable[tuple[str, Mapping]]) -> list[dict | ExtractionError]:
        """Fill a schema from each of several texts; where there is no answer, the error stands in its place.

        Raises:
            InvalidText, InvalidSchema, UnsupportedSchema: as for one text; the message says which pair it is,
                from 1.
        """
        cases = []
        for number, (text, schema) in enumerate(pairs, 1):
            with _placed(f"pair {number}"):
                cases.append(self._case(text, schema))
        return self._answers(cases)

    def _answers(self, cases: list[Sample]) -> list[dict | ExtractionError]:
        asked = [engines.request(self.task, case, self.prompt, self.decoding) for case in cases]
        found = {c.id: c for part in self.engine.batches(asked) for c in self.engine.generate(part)}
        return [self._checked(case, found[case.id]) for case in cases]

    @property
    def _fix(self) -> str:
        """What to do about an answer that is not valid; under a grammar it is none of the caller's making."""
        if self.decoding == "free":
            return "Take constrained=True, which allows valid answers only."
        return "Try another engine, and report this schema."

    def _case(self, text: str, schema: Mapping) -> Sample:
        if not isinstance(text, str) or not isinstance(schema, Mapping):
            raise TypeError(
                f"a text and a schema are needed, not {type(text).__name__} and {type(schema).__name__}"
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            fix = "Read it with the encoding that it has, such as encoding='utf-8'."
            raise InvalidText(f"the text is not Unicode: {error.reason} at {error.start}. {fix}") from None
        given = {"text": text, "schema": _ready(schema, constrained=self.decoding == "schema")}
        return Sample(f"{next(self._numbers):09d}", self.task.name, "", "", "", given, None, {})

    def _checked(self, case: Sample, completion) -> dict | ExtractionError:
        if completion.finish == "error":
            return ExtractionError(completion.error)
        if completion.finish == "length":
            most = self.task.max_new_tokens
            why = f"the answer is longer than {most} tokens. Ask for fewer fields, or give less text."
            return ExtractionError(why, completion.text)
        parsed = scoring.parse(completion.text)
        if not parsed.ok or not isinstance(parsed.value, dict):
            return ExtractionError(f"the answer is no JSON object. {self._fix}", completion.text)
        try:
            fault = scoring.breach(parsed.value, case.input["schema"])
        except (RecursionError, Unresolvable) as error:
            why = "has a reference that leads to itself or nowhere, so that the answer cannot be checked"
            return ExtractionError(f"the schema {why} ({type(error).__name__}).", completion.text)
        if fault is not None:
            return ExtractionError(f"the answer breaks its schema: {fault}. {self._fix}", completion.text)
        return parsed.value


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """What is wrong with a text or a schema, with the place that it comes from in front."""
    try:
        yield
    except (TypeError, InvalidText, InvalidSchema, UnsupportedSchema) as error:
        raise type(error)(f"{where}: {error}") from error


def _ready(schema: Mapping, *, constrained: bool) -> dict:
    """A schema that can be asked for: valid, of an object, and held by the grammar if there is one."""
    schema = _valid(schema)
    if constrained:
        constraints.bare(schema)
    for reference in _lost(schema):
        raise InvalidSchema(f"$: the $ref {reference} leads nowhere. Add to $defs what it names.")
    if "type" not in schema:
        raise InvalidSchema('$: the schema must be of an object, and names no type. Add "type": "object".')
    if schema["type"] not in ("object", ["object"]):
        fix = 'Make it a property: {"type": "object", "required": ["found"], "properties": {"found": …}}.'
        found = json.dumps(schema["type"])
        raise InvalidSchema(f'$.type: the schema must be of an object: "object", not {found}. {fix}')
    return schema


def _valid(schema: Mapping) -> dict:
    """A copy of a schema that is JSON, and a JSON Schema."""
    try:
        schema = json.loads(json.dumps(schema, allow_nan=False, ensure_ascii=False).encode("utf-8"))
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        fix = "Mend this place: a schema follows JSON Schema 2020-12."
        raise InvalidSchema(f"{error.json_path}: {_rule(error)}. {fix}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSchema(
            f"$: the schema cannot be written as JSON: {error}. Use dicts, lists, text and finite numbers."
        ) from None
    return schema


def _rule(error: SchemaError) -> str:
    """What a schema breaks, in words."""
    if error.validator == "anyOf" and error.json_path.endswith(".type"):  # whose message names no type
        return str(tasks.UnknownName("type", error.instance, TYPES)).rstrip(".")
    return error.message


def _lost(schema: dict) -> Iterator[str]:
    """References of a schema that lead nowhere."""
    root = DRAFT202012.create_resource(schema)
    waiting = [(root, scoring.REGISTRY.resolver_with_root(root))]
    while waiting:
        part, resolver = waiting.pop()
        waiting += [(each, resolver.in_subresource(each)) for each in part.subresources()]
        if isinstance(part.contents, dict) and "$ref" in part.contents:
            try:
                resolver.lookup(part.contents["$ref"])
            except Unresolvable:
                yield part.contents["$ref"]


def main(arguments: list[str] | None = None) -> None:
    """Fill a schema from a text: `python -m slmlib.tasks.edgejson.extractor schema.json < text.txt`."""
    parser = argparse.ArgumentParser(
        prog="python -m slmlib.tasks.edgejson.extractor", description=main.__doc__
    )
    parser.add_argument("schema", type=Path, help="a file with a JSON Schema")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--engine", default="auto", choices=("auto", *LOCAL))
    chosen = parser.parse_args(arguments)
    schema, text = _read(chosen.schema), _told()
    found = Extractor(chosen.model, engine=chosen.engine)(text, schema)
    print(json.dumps(found, ensure_ascii=False, indent=2))


def _told() -> str:
    """The text at standard input, which is UTF-8 whatever the locale says."""
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidText(f"standard input is not UTF-8: {error}. Convert it.") from None


def _read(path: Path) -> dict:
    """The schema in a file, found to be ready before a model is loaded for it."""
    with _placed(str(path)):
        try:
            schema = json.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise InvalidSchema(f"not readable as JSON: {error}. Mend the file.") from None
        if not isinstance(schema, dict):
            fix = 'Give one such as {"type": "object", "properties": …}.'
            raise InvalidSchema(f"$: a schema is a JSON object, not {type(schema).__name__}. {fix}")
        return _ready(schema, constrained=True)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")

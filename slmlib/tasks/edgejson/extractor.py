"""A JSON extractor in three lines: a text and a JSON Schema in, a validated dict out.

    from slmlib import Extractor

    extract = Extractor("cyclecore-mlm-135m-json")
    extract("Ana Ruiz, room 12, from 3 May 2026", schema)

The answer is constrained to the schema while it is decoded, and validated afterwards. It may still
be wrong; the results of the model say how often.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from jsonschema import Draft202012Validator, SchemaError
from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from slmlib.core.names import UnknownName, choose
from slmlib.engines import constraints, launch
from slmlib.engines.base import Completion, UnsupportedConstraint
from slmlib.models import registry, weights
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample
from slmlib.tasks.edgejson.compliance import violation
from slmlib.tasks.edgejson.parsing import parse

MODEL = "cyclecore-mlm-135m-json"
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


class InvalidSchema(ValueError):
    """A schema that cannot be used: says where it breaks which rule, and how to fix it.

    It is not a JSON Schema of Draft 2020-12, has a reference that leads nowhere, or is not of an
    object.
    """


class InvalidText(ValueError):
    """A text that is not valid Unicode: says where, and how to fix it."""


class ExtractionError(RuntimeError):
    """There is no valid answer: says why. `completion` is what the model wrote."""

    def __init__(self, message: str, completion: str = ""):
        super().__init__(message)
        self.completion = completion


class Extractor:
    """A loaded model that extracts JSON from texts.

    Args:
        model: a model of the registry, or one that was trained here.
        engine: "openvino", "transformers" or "llamacpp"; "auto" takes the fastest that can load it.
        dtype: a type of the engine.
        constrained: whether decoding is constrained to the schema. Without it a model may write an
            answer that is not valid, which is an error.
        threads: cores to use; all available ones by default.

    Raises:
        UnknownName: there is no such model or engine.
        ModelError, EngineError: the weights are missing, or the engine is not installed.
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
        known = registry.get(model)
        self.model, self.decoding = model, "constrained" if constrained else "free"
        self.task = tasks.get("edgejson")
        default = self.task.default_prompt(self.decoding)
        self.prompt = self.task.prompts[known.prompts.get(self.task.name, default)]
        choose("engine", engine, ("auto", *launch.LOCAL))
        name = launch.resolve(engine, gguf=weights.has_gguf(known))
        dtype = launch.resolve_dtype(dtype, engine=name)
        self.engine = launch.start(name, model, dtype=dtype, batch_size=1, threads=threads)
        self._numbers = count()

    def __call__(self, text: str, schema: Mapping) -> dict:
        """Extract a JSON object from a text.

        Args:
            text: the text to read.
            schema: a JSON Schema of an object; the model sees it as it is. Constrained decoding
                refuses keywords that a grammar cannot enforce, by name.

        Returns:
            An object that is valid under the schema.

        Raises:
            InvalidText: the text is not valid Unicode.
            InvalidSchema: the schema is broken, or its type is not object.
            UnsupportedConstraint: a grammar cannot enforce the schema.
            ExtractionError: the text is too long, or the answer was cut off or is not valid.
        """
        (answer,) = self._answers([self._sample(text, schema)])
        if isinstance(answer, ExtractionError):
            raise answer
        return answer

    def batch(self, pairs: Iterable[tuple[str, Mapping]]) -> list[dict | ExtractionError]:
        """Extract a JSON object from each of several texts, each with its schema.

        Returns:
            In order, the object of each pair, or the error if there is no valid answer.

        Raises:
            InvalidText, InvalidSchema, UnsupportedConstraint: as for one text; the message gives
                the number of the pair, from 1.
        """
        samples = []
        for number, (text, schema) in enumerate(pairs, 1):
            with _located(f"pair {number}"):
                samples.append(self._sample(text, schema))
        return self._answers(samples)

    def _answers(self, samples: list[Sample]) -> list[dict | ExtractionError]:
        requests = [self.task.request(sample, self.prompt, self.decoding) for sample in samples]
        batches = self.engine.batches(requests)
        completions = {c.id: c for batch in batches for c in self.engine.generate(batch)}
        return [self._validated(sample, completions[sample.id]) for sample in samples]

    def _sample(self, text: str, schema: Mapping) -> Sample:
        if not isinstance(text, str) or not isinstance(schema, Mapping):
            given = f"{type(text).__name__} and {type(schema).__name__}"
            raise TypeError(f"expected a text and a schema, got {given}")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            fix = "Read the file with its own encoding, such as encoding='utf-8'."
            raise InvalidText(
                f"the text is not valid Unicode: {error.reason} at {error.start}. {fix}"
            ) from None
        schema = _checked(schema, constrained=self.decoding == "constrained")
        data = {"text": text, "schema": schema}
        return Sample(f"{next(self._numbers):09d}", self.task.name, "", "", {}, data, None, {})

    def _validated(self, sample: Sample, completion: Completion) -> dict | ExtractionError:
        if completion.finish == "error":
            return ExtractionError(completion.error)
        if completion.finish == "length":
            return ExtractionError(
                f"the answer is longer than {self.task.max_new_tokens} tokens. "
                "Ask for fewer fields, or give less text.",
                completion.text,
            )
        fix = "Use constrained=True, which allows only valid answers."
        if self.decoding == "constrained":
            fix = "Try another engine, and report this schema."
        parsed = parse(completion.text)
        if not parsed.ok or not isinstance(parsed.value, dict):
            return ExtractionError(f"the answer is not a JSON object. {fix}", completion.text)
        try:
            fault = violation(parsed.value, sample.input["schema"])
        except (RecursionError, Unresolvable) as error:
            return ExtractionError(
                "the answer cannot be validated: a reference in the schema leads to itself or "
                f"nowhere ({type(error).__name__}).",
                completion.text,
            )
        if fault is not None:
            return ExtractionError(
                f"the answer is not valid under its schema: {fault}. {fix}", completion.text
            )
        return parsed.value


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Begin the message of an invalid text or schema with the place that it comes from."""
    try:
        yield
    except (TypeError, InvalidText, InvalidSchema, UnsupportedConstraint) as error:
        raise type(error)(f"{where}: {error}") from error


def _checked(schema: Mapping, *, constrained: bool) -> dict:
    """A copy of a schema that is valid, of an object and, if need be, enforced by a grammar."""
    try:
        schema = json.loads(json.dumps(schema, allow_nan=False, ensure_ascii=False).encode("utf-8"))
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        rule = error.message
        if error.validator == "anyOf" and error.json_path.endswith(".type"):  # it names no type
            rule = str(UnknownName("type", error.instance, TYPES)).rstrip(".")
        fix = "Correct it: schemas follow JSON Schema Draft 2020-12."
        raise InvalidSchema(f"{error.json_path}: {rule}. {fix}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSchema(
            f"$: the schema cannot be written as JSON: {error}. "
            "Use dicts, lists, strings and finite numbers."
        ) from None
    if constrained:
        try:
            constraints.simplify(schema)
        except UnsupportedConstraint as error:
            raise UnsupportedConstraint(
                f"{error} That is constrained=False in Extractor."
            ) from None
    for reference in _dangling_references(schema):
        raise InvalidSchema(f"$: the $ref {reference} leads nowhere. Add its target to $defs.")
    if "type" not in schema:
        raise InvalidSchema(
            '$: the schema has no type, which must be object. Add "type": "object".'
        )
    if schema["type"] not in ("object", ["object"]):
        raise InvalidSchema(
            f'$.type: must be "object", not {json.dumps(schema["type"])}. Make it a property: '
            '{"type": "object", "required": ["value"], "properties": {"value": …}}.'
        )
    return schema


def _dangling_references(schema: dict) -> Iterator[str]:
    """References in a schema that lead nowhere."""
    root = DRAFT202012.create_resource(schema)
    waiting = [(root, REGISTRY.resolver_with_root(root))]
    while waiting:
        part, resolver = waiting.pop()
        waiting += [(each, resolver.in_subresource(each)) for each in part.subresources()]
        if isinstance(part.contents, dict) and "$ref" in part.contents:
            try:
                resolver.lookup(part.contents["$ref"])
            except Unresolvable:
                yield part.contents["$ref"]


def main(arguments: list[str] | None = None) -> None:
    """Extract JSON from a text: `slmbench extract schema.json < text.txt`."""
    parser = argparse.ArgumentParser(prog="slmbench extract", description=main.__doc__)
    parser.add_argument("schema", type=Path, help="a file with a JSON Schema")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--engine", default="auto", choices=("auto", *launch.LOCAL))
    options = parser.parse_args(arguments)
    schema = _read_schema(options.schema)  # checked before a model is loaded
    try:
        text = sys.stdin.buffer.read().decode("utf-8")  # whatever the locale
    except UnicodeDecodeError as error:
        raise InvalidText(f"standard input is not UTF-8: {error}. Convert it.") from None
    answer = Extractor(options.model, engine=options.engine)(text, schema)
    print(json.dumps(answer, ensure_ascii=False, indent=2))


def _read_schema(path: Path) -> dict:
    with _located(str(path)):
        try:
            schema = json.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise InvalidSchema(f"not readable as JSON: {error}. Correct the file.") from None
        if not isinstance(schema, dict):
            raise InvalidSchema(
                f"$: a schema is a JSON object, not {type(schema).__name__}. "
                'Write one such as {"type": "object", "properties": …}.'
            )
        return _checked(schema, constrained=True)

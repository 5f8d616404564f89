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
from collections.abc import Iterable, Mapping
from pathlib import Path

from jsonschema import Draft202012Validator, SchemaError
from referencing.exceptions import Unresolvable

from slmlib.core.names import UnknownName, choose
from slmlib.engines import constraints, launch
from slmlib.engines.base import UnsupportedConstraint
from slmlib.models import registry, weights
from slmlib.tasks import base as tasks
from slmlib.tasks.base import Sample
from slmlib.tasks.edgejson.compliance import violation
from slmlib.tasks.edgejson.parsing import parse

MODEL = "cyclecore-mlm-135m-json"
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


class InvalidInput(ValueError):
    """A schema or text that cannot be used; the message names the place, the rule and the fix.

    The schema is not a JSON Schema of Draft 2020-12 or not of an object, or the text is not valid
    Unicode.
    """


class ExtractionError(RuntimeError):
    """There is no valid answer; the message names the reason. `completion` is the model's text."""

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
        self.decoding = "constrained" if constrained else "free"
        self.task = tasks.get("edgejson")
        default = self.task.default_prompt(self.decoding)
        self.prompt = self.task.prompts[known.prompts.get(self.task.name, default)]
        choose("engine", engine, ("auto", *launch.LOCAL))
        name = launch.resolve(engine, gguf=weights.has_gguf(known))
        dtype = launch.resolve_dtype(dtype, engine=name)
        self.engine = launch.start(name, model, dtype=dtype, batch_size=1, threads=threads)

    def __call__(self, text: str, schema: Mapping) -> dict:
        """Extract a JSON object from a text.

        Args:
            text: the text to read.
            schema: a JSON Schema of an object; the model sees it as it is. Constrained decoding
                refuses keywords that a grammar cannot enforce, by name.

        Returns:
            An object that is valid under the schema.

        Raises:
            InvalidInput: the schema is broken, or the text is not valid Unicode.
            UnsupportedConstraint: a grammar cannot enforce the schema.
            ExtractionError: the text is too long, or the answer was cut off or is not valid.
        """
        schema = _checked(schema, constrained=self.decoding == "constrained")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"the text is not valid Unicode: {error.reason} at {error.start}. "
                "Read the file with its own encoding, such as encoding='utf-8'."
            ) from None
        sample = Sample("", self.task.name, "", "", {}, {"text": text, "schema": schema}, None, {})
        request = self.task.request(sample, self.prompt, self.decoding)
        (completion,) = self.engine.generate([request])
        if completion.finish == "error":
            raise ExtractionError(completion.error)
        parsed = parse(completion.text)
        fix = "Use constrained=True, which allows only valid answers."
        if self.decoding == "constrained":
            fix = "Try another engine, and report this schema."
        if completion.finish == "length":
            fault = f"is longer than {self.task.max_new_tokens} tokens"
            fix = "Ask for fewer fields, or give less text."
        elif not parsed.ok or not isinstance(parsed.value, dict):
            fault = "is not a JSON object"
        else:
            try:
                broken = violation(parsed.value, schema)
            except (RecursionError, Unresolvable) as error:
                broken = f"a reference leads to itself or nowhere ({error})"
                fix = "Correct the schema."
            if broken is None:
                return parsed.value
            fault = f"is not valid under its schema: {broken}"
        raise ExtractionError(f"the answer {fault}. {fix}", completion.text)

    def batch(self, pairs: Iterable[tuple[str, Mapping]]) -> list[dict | Exception]:
        """Extract from several texts, each with its schema.

        Returns:
            In order, the object of each pair, or the error if there is no valid answer.
        """
        answers = []
        for text, schema in pairs:
            try:
                answers.append(self(text, schema))
            except (ExtractionError, InvalidInput, UnsupportedConstraint) as error:
                answers.append(error)
        return answers


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
        raise InvalidInput(f"{error.json_path}: {rule}. {fix}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"$: the schema cannot be written as JSON: {error}. "
            "Use dicts, lists, strings and finite numbers."
        ) from None
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind not in ("object", ["object"]):
        raise InvalidInput(
            f'$.type: must be "object", not {json.dumps(kind)}. Make the schema a property of one: '
            '{"type": "object", "required": ["value"], "properties": {"value": …}}.'
        )
    if constrained:
        try:
            constraints.simplify(schema)
        except UnsupportedConstraint as error:
            raise UnsupportedConstraint(
                f"{error} In Python that is Extractor(constrained=False)."
            ) from None
    return schema


def main(arguments: list[str] | None = None) -> None:
    """Extract JSON from a text: `slmbench extract schema.json < text.txt`."""
    parser = argparse.ArgumentParser(prog="slmbench extract", description=main.__doc__)
    parser.add_argument("schema", type=Path, help="a file with a JSON Schema")
    parser.add_argument("--model", default=MODEL, help="a model of the registry, or a trained one")
    engines = ("auto", *launch.LOCAL)
    parser.add_argument("--engine", default="auto", choices=engines, help="auto: the fastest")
    options = parser.parse_args(arguments)
    try:  # before a model is loaded
        schema = _checked(json.loads(options.schema.read_text("utf-8")), constrained=True)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(
            f"{options.schema}: not readable as JSON: {error}. Correct the file."
        ) from None
    except ValueError as error:
        raise InvalidInput(f"{options.schema}: {error}") from None
    try:
        text = sys.stdin.buffer.read().decode("utf-8")  # whatever the locale
    except UnicodeDecodeError as error:
        raise InvalidInput(f"standard input is not UTF-8: {error}. Convert it.") from None
    answer = Extractor(options.model, engine=options.engine)(text, schema)
    print(json.dumps(answer, ensure_ascii=False, indent=2))

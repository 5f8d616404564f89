"""A JSON extractor in three lines: a text and a JSON Schema in, a checked dict out.

    from slmlib import Extractor

    extract = Extractor("cyclecore-mlm-135m-json")
    extract("Ana Ruiz, room 12, from 3 May 2026", schema)

The answer is constrained to the schema as it is written, and checked against it once more; it may still be
wrong, as the results of the model say how often.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import count

from slmlib import decoding, engines, models, scoring, tasks
from slmlib.tasks import Example

MODEL = "cyclecore-mlm-135m-json"


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
            schema: a JSON Schema of an object; keywords that a grammar cannot hold are refused by name.

        Returns:
            An object that is valid under the schema.

        Raises:
            UnsupportedSchema: the grammar cannot hold the schema.
            ExtractionError: the text is too long, or the answer was cut off or is not valid.
        """
        (found,) = self.batch([(text, schema)])
        if isinstance(found, ExtractionError):
            raise found
        return found

    def batch(self, pairs: Iterable[tuple[str, Mapping]]) -> list[dict | ExtractionError]:
        """Fill a schema from each of several texts; where there is no answer, the error stands in its place.

        Raises:
            UnsupportedSchema: the grammar cannot hold one of the schemas.
        """
        cases = [self._case(text, schema) for text, schema in pairs]
        asked = [engines.request(self.task, case, self.prompt, self.decoding) for case in cases]
        found = {c.id: c for part in self.engine.batches(asked) for c in self.engine.generate(part)}
        return [self._checked(case, found[case.id]) for case in cases]

    def _case(self, text: str, schema: Mapping) -> Example:
        if not isinstance(text, str) or not isinstance(schema, Mapping):
            raise TypeError(
                f"a text and a schema are needed, not {type(text).__name__} and {type(schema).__name__}"
            )
        if self.decoding == "schema":
            decoding.bare(schema)
        given = {"text": text, "schema": schema}
        return Example(f"{next(self._numbers):09d}", self.task.name, "", "", "", given, None, {})

    def _checked(self, case: Example, completion) -> dict | ExtractionError:
        if completion.finish == "error":
            return ExtractionError(completion.error)
        if completion.finish == "length":
            most = self.task.max_new_tokens
            return ExtractionError(f"the answer is longer than {most} tokens", completion.text)
        parsed = scoring.parse(completion.text)
        if not parsed.ok or not isinstance(parsed.value, dict):
            return ExtractionError("the answer is no JSON object", completion.text)
        fault = scoring.breach(parsed.value, case.input["schema"])
        if fault is not None:
            return ExtractionError(f"the answer breaks its schema: {fault}", completion.text)
        return parsed.value


LOCAL = tuple(name for name in engines.ENGINES if name != "openai")


def main(arguments: list[str] | None = None) -> None:
    """Fill a schema from a text: `python -m slmlib.extractor schema.json < text.txt`."""
    import argparse
    import sys
    from pathlib import Path

    parser = argparse.ArgumentParser(prog="python -m slmlib.extractor", description=main.__doc__)
    parser.add_argument("schema", type=Path, help="a file with a JSON Schema")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--engine", default="auto", choices=("auto", *LOCAL))
    chosen = parser.parse_args(arguments)
    schema = json.loads(chosen.schema.read_text("utf-8"))
    found = Extractor(chosen.model, engine=chosen.engine)(sys.stdin.read(), schema)
    print(json.dumps(found, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    import sys

    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")

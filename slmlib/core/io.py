"""The data contracts: reading, checking and writing the files that runs exchange.

The row formats are JSON Schemas kept beside the data. Every reader names file, line, rule and
fix when something is wrong; every writer is atomic, so a full disk or a kill leaves the old
file or the new one, never half of one.
"""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.core import paths

EXAMPLE = paths.DATA / "example.schema.json"
PREDICTION = paths.RESULTS / "prediction.schema.json"
RESULT = paths.RESULTS / "result.schema.json"
PROFILE = paths.RESULTS / "profile.schema.json"


class DataError(ValueError):
    """A file that cannot be trusted: says which, where, what rule it breaks and how to mend it."""


@cache
def validator(schema: Path) -> Draft202012Validator:
    """The compiled validator of a contract, formats checked."""
    return Draft202012Validator(
        json.loads(schema.read_text("utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def check(value, schema: Path, *, where: str) -> None:
    """Raise `DataError` if `value` breaks the contract `schema`; `where` starts the message."""
    error = best_match(validator(schema).iter_errors(value))
    if error is not None:
        raise DataError(f"{where}: {error.json_path}: {error.message} (rule: {schema.name})")


def remedy(path: Path) -> str:
    """How to get a broken file back: from git, or, if it was made here, by making it again."""
    if path.resolve().is_relative_to(paths.RUNS):
        return "Forget the runs of this machine with `make clean`, and run again."
    return f"Restore it: git checkout {path}"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_sha256(path: Path, expected: str, *, fix: str = "") -> None:
    """Raise `DataError` unless the file is there and has the expected hash; `fix` says how to mend it."""
    fix = fix or remedy(path)
    try:
        found = sha256(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. {fix}") from None
    if found != expected:
        told = f"its sha256 is {found[:12]}…, and not {expected[:12]}… as when it was written"
        raise DataError(f"{path}: {told}. {fix}")


def read_json(path: Path) -> dict:
    """A JSON file; a missing or broken one raises `DataError` with the remedy."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. {remedy(path)}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}. {remedy(path)}") from None


def read_jsonl(path: Path, *, schema: Path | None = None) -> list[dict]:
    """Rows of a `.jsonl` or `.jsonl.gz` file, each checked against `schema` if given.

    Raises:
        DataError: file, line and rule of the first row that is broken.
    """
    rows = []
    try:
        with _open_text(path) as file:
            for number, line in enumerate(file, 1):
                rows.append(_row(line, schema, path, number))
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: {error.strerror}. {remedy(path)}") from None
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: truncated or corrupt: {error}. {remedy(path)}") from None
    return rows


def _open_text(path: Path):
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")


def _row(line: str, schema: Path | None, path: Path, number: int) -> dict:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not JSON: {error}. {remedy(path)}") from None
    if schema is not None:
        check(row, schema, where=f"{path}:{number}")
    return row


def dumps(value) -> str:
    """One line of JSON: keys in the given order, Unicode as is, no NaN.

    A model may write half of a surrogate pair, which no encoding holds: then all is escaped.
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return line


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that replaces `path` at the end, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        fix = "What was there before is unchanged; mend that and run the same command again."
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}. {fix}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value) -> None:
    """Write readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict]) -> None:
    """Write `.jsonl` or, by suffix, `.jsonl.gz`; the same rows give the same bytes."""
    lines = (f"{dumps(row)}\n".encode() for row in rows)
    if path.suffix == ".gz":
        return write_bytes(path, gzip.compress(b"".join(lines), compresslevel=9, mtime=0))
    with whole(path) as file:
        file.writelines(lines)

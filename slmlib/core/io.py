"""Files: reading and checking JSON, hashes, atomic writes, and one lock.

Formats are JSON Schemas kept beside the data. Every reader names file, line, rule and fix when
something is wrong. Every writer is atomic: a full disk or a kill leaves the old file or folder, or
the new one, and never half of one.
"""

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import BinaryIO

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slmlib.core import paths

FOLDER_MANIFEST = "files.json"  # hashes of the files of a folder, written last


class DataError(ValueError):
    """A file that cannot be trusted; the message names file, place, rule and fix."""


class Busy(RuntimeError):
    """Another process is working on the same file or folder."""


@cache
def validator(schema: Path) -> Draft202012Validator:
    """The compiled validator of a JSON Schema file, formats checked."""
    return Draft202012Validator(
        json.loads(schema.read_text("utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def check(value, schema: Path, *, where: str) -> None:
    """Raise `DataError` if `value` breaks the schema; `where` starts the message."""
    error = best_match(validator(schema).iter_errors(value))
    if error is not None:
        raise DataError(f"{where}: {error.json_path}: {error.message} (rule: {schema.name})")


def remedy(path: Path) -> str:
    """Advice for restoring a broken file: from git, or by making it again if it was made here."""
    if path.resolve().is_relative_to(paths.RUNS):
        return f"Delete {path}, and run the step again that writes it."
    if not paths.is_clone(paths.ROOT):
        return "Reinstall slmlib."
    return f"Restore it: git checkout {path}"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex; read once in a process, and again when it has changed."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _sha256(path: Path, *changes: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_sha256(path: Path, expected: str, *, fix: str = "") -> None:
    """Raise `DataError` with this fix unless the file exists and has the expected hash."""
    fix = fix or remedy(path)
    try:
        digest = sha256(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. {fix}") from None
    if digest != expected:
        raise DataError(f"{path}: sha256 {digest[:12]}… where {expected[:12]}… is expected. {fix}")


def read_json(path: Path) -> dict:
    """Read a JSON file; a missing or broken one raises `DataError` with the remedy."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. {remedy(path)}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}. {remedy(path)}") from None


def read_jsonl(path: Path, *, schema: Path | None = None) -> list[dict]:
    """Read the rows of a `.jsonl` or `.jsonl.gz` file, each checked against `schema` if given.

    Raises:
        DataError: file, line and rule of the first row that is broken.
    """
    rows = []
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    rows.append(json.loads(line))
                except (json.JSONDecodeError, RecursionError) as error:
                    raise DataError(f"{path}:{number}: not JSON: {error}. {remedy(path)}") from None
                if schema is not None:
                    check(rows[-1], schema, where=f"{path}:{number}")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or f"truncated or corrupt: {error}"
        raise DataError(f"{path}: {reason}. {remedy(path)}") from None
    return rows


def dumps(value) -> str:
    """One line of JSON: keys in the given order, Unicode unescaped, no NaN.

    A model may write half of a surrogate pair, which UTF-8 cannot encode: then all is escaped.
    """
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return line


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` at the end, or leaves it unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        fix = "The previous file is unchanged; fix that and run the same command again."
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}. {fix}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict]) -> None:
    """Write `.jsonl` or, by suffix, `.jsonl.gz`; the same rows give the same bytes."""
    data = "".join(f"{dumps(row)}\n" for row in rows).encode("utf-8")
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=9, mtime=0)
    write_bytes(path, data)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Fill a folder that becomes `target` by one rename at the end, or leaves no trace.

    An older target is moved aside for the rename and removed after it. First, what a killed process
    left of the same target is swept; if it was killed between its two renames, the older target is
    put back. No other process may write to the same target.
    """
    for rest in target.parent.glob(".*"):
        if match := re.fullmatch(rf"\.{re.escape(target.name)}-[0-9]+(-older)?", rest.name):
            if match[1] and not target.exists():
                os.replace(rest, target)
            else:
                shutil.rmtree(rest, ignore_errors=True)
    scratch = target.with_name(f".{target.name}-{os.getpid()}")
    older = scratch.with_name(f"{scratch.name}-older")
    scratch.mkdir(parents=True)
    try:
        yield scratch
        for path in scratch.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        if target.exists():
            os.replace(target, older)
        os.replace(scratch, target)
        shutil.rmtree(older, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_manifest(folder: Path) -> None:
    """Write the hashes of a folder's files into it."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    write_json(folder / FOLDER_MANIFEST, {"files": files})


def folder_fault(folder: Path) -> str | None:
    """Compare a folder with its manifest; says what is wrong, or None."""
    try:
        files = json.loads((folder / FOLDER_MANIFEST).read_text("utf-8"))["files"]
        changed = [name for name, digest in files.items() if sha256(folder / name) != digest]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"incomplete ({error})"
    return f"{', '.join(changed)} changed since it was written" if changed else None


@contextmanager
def lock(path: Path, *, wait: bool = False, what: str = "this") -> Iterator[None]:
    """Hold an exclusive lock on a file, made if missing; the end of the process releases it too.

    Raises:
        Busy: another process holds it, unless `wait` says to wait for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            fix = "wait for it or stop it."
            raise Busy(f"{path}: another process is working on {what}; {fix}") from None
        yield

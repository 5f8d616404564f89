"""Data sets on disk: splits, manifest, checks, and the comparison with what is published.

The same for all tasks: a data set is a folder of `<split>.jsonl` files and other files, whose hashes and
counts are in `manifest.json`. A manifest has no times, so that the same data give the same bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from slmlib.core import io
from slmlib.core.tables import Table
from slmlib.tasks.base import Check

Rows = Mapping[str, Sequence[dict]]  # split -> rows
MANIFEST = "manifest.json"


def count_rows(
    rows: Iterable[dict], more: Mapping[str, Callable[[dict], str]] | None = None
) -> dict:
    """Counts of a split: cases, groups, and the values of each slice.

    Args:
        rows: of one split.
        more: other things to count, by name: the value of a row.
    """
    rows = list(rows)
    slices: dict[str, Counter] = {}
    for row in rows:
        for name, value in row["slices"].items():
            slices.setdefault(name, Counter())[value] += 1
    counters = {"group": Counter(row["group"] for row in rows)}
    counters |= {name: Counter(map(of, rows)) for name, of in (more or {}).items()}
    return {
        "cases": len(rows),
        "slices": {name: dict(sorted(counts.items())) for name, counts in slices.items()},
        **{name: dict(sorted(counts.items())) for name, counts in counters.items()},
    }


def write(
    rows: Rows,
    folder: Path,
    about: Mapping,
    *,
    files: Iterable[str] = (),
    more: Mapping[str, Callable[[dict], str]] | None = None,
) -> dict:
    """Write the splits and, last, the manifest; each file whole or not at all.

    Args:
        rows: rows of each split.
        folder: where to.
        about: the manifest's own fields, such as name, version, generator, seed and licence.
        files: other files of the data set, already written, by their paths in the folder.
        more: other things to count (`count_rows`).

    Returns:
        The manifest.
    """
    listed = {}
    for split, part in rows.items():
        path = folder / f"{split}.jsonl"
        io.write_jsonl(path, part)
        listed[path.name] = {**_hashed(path), "rows": len(part)}
    listed |= {name: _hashed(folder / name) for name in files}
    counts = {split: count_rows(part, more) for split, part in rows.items()}
    manifest = {**about, "counts": counts, "files": listed}
    io.write_json(folder / MANIFEST, manifest)
    return manifest


def _hashed(path: Path) -> dict:
    return {"sha256": io.sha256(path), "bytes": path.stat().st_size}


def compare(folder: Path, published: Path, *, more: Sequence[str] = ()) -> list[dict]:
    """Compare a data set with the published one, file by file.

    Args:
        folder: the data set that was made.
        published: the published one.
        more: files that are not in the manifest, such as the data card.

    Returns:
        For each file its name, bytes, both hashes, and whether they are the same.
    """
    names = dict.fromkeys([*io.read_json(folder / MANIFEST)["files"], *more, MANIFEST])
    rows = []
    for name in names:
        paths = folder / name, published / name
        here, there = (io.sha256(path) if path.exists() else None for path in paths)
        same = here is not None and here == there
        size = paths[0].stat().st_size if here else 0
        rows.append({"file": name, "bytes": size, "sha256": here, "published": there, "same": same})
    return rows


def require_same(comparison: Sequence[Mapping], published: Path) -> None:
    """Refuse a comparison in which a file differs from the published one.

    Raises:
        DataError: names the files and what to do.
    """
    changed = [row["file"] for row in comparison if not row["same"]]
    if changed:
        raise io.DataError(
            f"{', '.join(changed)}: the generated files differ from the published ones. Restore those: "
            f"git checkout {published}. If the generator was changed on purpose, publish what it makes "
            'with `profile = "full"`.'
        )


def publish(folder: Path, published: Path, *, more: Sequence[str] = ()) -> list[str]:
    """Copy a data set over the published one, the manifest last; returns the files that changed."""
    changed = [row["file"] for row in compare(folder, published, more=more) if not row["same"]]
    for name in changed:
        io.write_bytes(published / name, (folder / name).read_bytes())
    return changed


def checks_table(checks: Iterable[Check]) -> Table:
    """The checks of a data set: how many things each looked at, and whether it passed."""
    verdicts = [(c, "passed" if c.ok else f"{len(c.failures)} failures") for c in checks]
    return Table.of(
        ["Check", "Looked at", "Verdict"], [(c.name, f"{c.count:,}", v) for c, v in verdicts]
    )


def require(checks: Iterable[Check]) -> None:
    """Refuse a data set that fails a check.

    Raises:
        DataError: names the failed checks and the first failures of each.
    """
    failed = [c for c in checks if not c.ok]
    if failed:
        lines = [
            f"{c.name}: {len(c.failures)} of {c.count}: {'; '.join(c.failures[:3])}" for c in failed
        ]
        raise io.DataError(
            "the data set fails its checks.\n  "
            + "\n  ".join(lines)
            + "\nFix the generator; nothing was published."
        )

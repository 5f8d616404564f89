"""Data sets on disk: splits, manifest, checks, and the comparison with what is published.

A data set is a folder of `<split>.jsonl` files and other files, whose hashes and counts are in
`manifest.json`. A manifest has no times, so that the same data give the same bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from slmlib.core import io
from slmlib.core.tables import Table
from slmlib.tasks.base import Check

Rows = Mapping[str, Sequence[dict]]  # split -> rows
MANIFEST = "manifest.json"
CARD = "README.md"  # not in the manifest: it quotes counts


def count_rows(
    rows: Iterable[dict], more: Mapping[str, Callable[[dict], str]] | None = None
) -> dict:
    """Counts of a split: cases, values of slices, groups, and `more`: {name: value of a row}."""
    rows, slices = list(rows), defaultdict(list)
    for row in rows:
        for name, value in row["slices"].items():
            slices[name].append(value)
    others = {"group": [row["group"] for row in rows]}
    others |= {name: [of(row) for row in rows] for name, of in (more or {}).items()}
    return {
        "cases": len(rows),
        "slices": {name: _count(values) for name, values in slices.items()},
        **{name: _count(values) for name, values in others.items()},
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


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


def compare(folder: Path, published: Path) -> list[dict]:
    """For each file of a data set its bytes, its hash, the published one's, and if they agree."""
    names = [*io.read_json(folder / MANIFEST)["files"], CARD, MANIFEST]
    rows = []
    for name in (n for n in names if (folder / n).exists() or (published / n).exists()):
        paths = folder / name, published / name
        here, there = (io.sha256(path) if path.exists() else None for path in paths)
        size = paths[0].stat().st_size if here else 0
        rows.append(
            {"file": name, "bytes": size, "sha256": here, "published": there, "same": here == there}
        )
    return rows


def require_same(comparison: Sequence[Mapping], published: Path) -> None:
    """Refuse a comparison in which a file differs from the published one."""
    changed = [row["file"] for row in comparison if not row["same"]]
    if changed:
        raise io.DataError(
            f"{', '.join(changed)}: the generated files differ from the published ones. Restore "
            f"those: git checkout {published}. If the generator was changed on purpose, publish "
            'what it makes with `profile = "full"`.'
        )


def publish(folder: Path, published: Path) -> list[str]:
    """Copy a data set over the published one, the manifest last; returns the files that changed.

    Raises:
        DataError: the published data set has the same version and another seed.
    """
    if (published / MANIFEST).exists():
        ours, theirs = (io.read_json(each / MANIFEST) for each in (folder, published))
        if ours["version"] == theirs["version"] and ours.get("seed") != theirs.get("seed"):
            raise io.DataError(
                f"{folder}: made with seed {ours['seed']}; version {theirs['version']} is "
                f"published with seed {theirs['seed']}. Use that seed, or give the data set "
                "a new version."
            )
    changed = [row["file"] for row in compare(folder, published) if not row["same"]]
    for name in changed:
        io.write_bytes(published / name, (folder / name).read_bytes())
    return changed


def checks_table(checks: Iterable[Check]) -> Table:
    """The checks of a data set: how many things each looked at, and whether it passed."""
    columns = {
        "Check": lambda check: check.name,
        "Looked at": lambda check: f"{check.count:,}",
        "Verdict": lambda check: "passed" if check.ok else f"{len(check.failures)} failures",
    }
    return Table.by(columns, checks)


def require(checks: Iterable[Check]) -> None:
    """Refuse a data set that fails a check; the error has the first failures of each."""
    lines = [
        f"\n  {c.name}: {len(c.failures)} of {c.count}: {'; '.join(c.failures[:3])}"
        for c in checks
        if not c.ok
    ]
    if lines:
        fix = "Fix the generator; nothing was published."
        raise io.DataError(f"the data set fails its checks.{''.join(lines)}\n{fix}")

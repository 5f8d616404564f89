"""The order of the packages: breaks if a module imports upwards, in a circle, or names a task."""

import ast
import re
from pathlib import Path

import nbformat

import slmlib
from slmlib import tasks
from slmlib.core import paths

PACKAGE = Path(slmlib.__file__).parent
LOWER = ["core", "models", "engines", "textgen", "tasks"]
ORDER = [*LOWER, "evaluation", "training", "report", "pipeline"]


def modules() -> dict[str, ast.Module]:
    """Every module of the library by its path in the package, parsed."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(tree: ast.Module) -> set[str]:
    """Modules of the library that a module imports, within functions too: "core.io", …"""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = PACKAGE.parent / node.module.replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return {name.removeprefix("slmlib.") for name in found if name.startswith("slmlib.")}


def test_packages_import_downwards_only():
    wrong = []
    for path, tree in modules().items():
        package = path.partition("/")[0]
        if package not in ORDER:  # the front door: slmlib/__init__.py and __main__.py
            continue
        above = ORDER[ORDER.index(package) + 1 :]
        wrong += [
            f"{path} imports {name}" for name in imports(tree) if name.partition(".")[0] in above
        ]
    assert wrong == []


def test_no_circle():
    """Function-level imports count: a circle that is hidden in a function is one."""
    graph = {}
    for path, tree in modules().items():
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        graph[name] = imports(tree) - {name}
    state: dict[str, str] = {}

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert state.get(name) != "open", " -> ".join((*way[way.index(name) :], name))
        if state.get(name) == "done" or name not in graph:
            return
        state[name] = "open"
        for other in sorted(graph[name]):
            visit(other, (*way, name))
        state[name] = "done"

    for name in graph:
        visit(name, ())


def shared_modules() -> dict[str, ast.Module]:
    """The modules outside of the task packages."""
    inside = tuple(f"tasks/{name}/" for name in tasks.names())
    return {path: tree for path, tree in modules().items() if not path.startswith(inside)}


def test_no_shared_module_imports_a_task():
    packages = tuple(f"tasks.{name}" for name in tasks.names())
    wrong = [
        f"{path} imports {name}"
        for path, tree in shared_modules().items()
        for name in imports(tree)
        if name.startswith(packages)
    ]
    assert wrong == []


def code_of_notebooks() -> dict[str, ast.Module]:
    """The code cells of the notebooks that take a task, without their parameters."""
    sources = {}
    for path in sorted(paths.NOTEBOOKS.glob("0[1-4]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        kept = [cell.source for cell in code if "parameters" not in cell.metadata.get("tags", ())]
        sources[path.name] = ast.parse("\n".join(kept))
    return sources


def names_of_tasks() -> tuple[set[str], set[str]]:
    """The names that tasks declare: those that occur in no English sentence, and words that do."""
    telling, words = set(), set()
    for task in map(tasks.get, tasks.names()):
        names = {task.name, *(m.name for m in task.metrics), *task.split_names(), *task.failures}
        names |= {value for each in task.slices for value in (each.name, *each.values)}
        telling |= {name for name in names if "_" in name} | {task.name}
        words |= names
    words -= {"train", "val", "test", "error"}  # roles of splits, and the failure of an engine
    words -= {"register", "noise", "origin"}  # words of text generation, and of models
    return telling, words


def test_nothing_shared_names_a_task_metric_split_or_slice():
    """Differences between tasks are declared by the task; a docstring's example may name one."""
    telling, words = names_of_tasks()
    pattern = re.compile(r"\b(" + "|".join(sorted(telling)) + r")\b")
    wrong = []
    for path, tree in {**shared_modules(), **code_of_notebooks()}.items():
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
            if isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = node.value in words or pattern.search(node.value)
                if named and id(node) not in docstrings:
                    wrong.append(f"{path}:{node.lineno}: {node.value!r}")
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                if name in telling:
                    wrong.append(f"{path}:{node.lineno}: {name}")
    assert wrong == []

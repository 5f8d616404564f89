"""The order of the packages: would break if a module imported upwards, in a circle, or named a task."""

import ast
import re
from pathlib import Path

import slmlib
from slmlib import tasks

PACKAGE = Path(slmlib.__file__).parent
ORDER = (
    "core",
    "models",
    "engines",
    "textgen",
    "tasks",
    "evaluation",
    "training",
    "report",
    "pipeline",
)
SIDE_BY_SIDE = {
    "textgen": {"tasks"},
    "tasks": set(),
}  # textgen knows no task; tasks may use textgen


def modules() -> dict[str, ast.Module]:
    """Every module of the library by its path in the package, parsed."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths
    }


def imports(tree: ast.Module) -> set[str]:
    """Modules of the library that a module imports, within functions too: "core.io", …"""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = (PACKAGE.parent / node.module.replace(".", "/") / alias.name).with_suffix(
                    ".py"
                )
                package = (
                    PACKAGE.parent / node.module.replace(".", "/") / alias.name / "__init__.py"
                )
                is_module = inner.exists() or package.exists()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return {name.removeprefix("slmlib.") for name in found if name.startswith("slmlib.")}


def test_packages_import_downwards_only():
    wrong = []
    for path, tree in modules().items():
        package = path.partition("/")[0]
        if package not in ORDER:  # the front door: slmlib/__init__.py and __main__.py
            continue
        above = set(ORDER[ORDER.index(package) + 1 :]) | SIDE_BY_SIDE.get(package, set())
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


def test_no_shared_module_names_a_task_metric_split_or_slice():
    """What differs between tasks is declared by the task; a docstring's example may name one."""
    telling, plain = set(), set()  # names that occur in no English sentence, and words that do
    for task in map(tasks.get, tasks.names()):
        names = {task.name, *(m.name for m in task.metrics), *task.split_names(), *task.failures}
        names |= {value for each in task.slices for value in (each.name, *each.values)}
        telling |= {name for name in names if "_" in name} | {task.name}
        plain |= names
    plain -= {"train", "val", "test", "error"}  # roles of splits, and the failure of an engine
    plain -= {"register", "noise", "origin"}  # words of text generation, and of models
    pattern = re.compile(r"\b(" + "|".join(sorted(telling)) + r")\b")
    wrong = []
    for path, tree in shared_modules().items():
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
            if isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in docstrings:
                    continue
                if node.value in plain or pattern.search(node.value):
                    wrong.append(f"{path}:{node.lineno}: {node.value!r}")
            elif isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                if name in telling:
                    wrong.append(f"{path}:{node.lineno}: {name}")
    assert wrong == []

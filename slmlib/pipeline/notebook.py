"""Run notebooks with checked parameters.

papermill accepts a parameter of any name and type: a misspelt one runs with the defaults and exits
with 0. So each notebook checks what was injected, and refuses it with the valid choices.
"""

import argparse
import ast
import logging
import os
import shlex
import sys
import time
from pathlib import Path

from slmlib.core import paths, progress
from slmlib.core.names import choose
from slmlib.core.optional import require


class ParameterError(TypeError):
    """A parameter of the wrong type: names it, its value and the declared type."""


class NotebookError(RuntimeError):
    """A notebook that failed: the error of its cell, and where the executed copy is."""


def check_parameters() -> None:
    """Refuse injected parameters that the notebook does not declare, or of another type.

    Call it in the first cell after the parameters. Outside a notebook, and when nothing was
    injected, it does nothing.

    Raises:
        UnknownName: a name that the parameters cell does not declare.
        ParameterError: a value of another type than declared.
    """
    from IPython import get_ipython

    shell = get_ipython()
    cells = shell.user_ns.get("In", []) if shell else []
    injected = next((i for i, cell in enumerate(cells) if cell.startswith("# Parameters")), None)
    if injected is not None:
        compare_parameters(declared="\n".join(cells[:injected]), injected=cells[injected])


def compare_parameters(*, declared: str, injected: str) -> None:
    """Check the source of an injected cell against the source of the parameters cell."""
    types = {
        node.target.id: ast.unparse(node.annotation)
        for node in ast.parse(declared).body
        if isinstance(node, ast.AnnAssign)
    }
    for node in ast.parse(injected).body:
        name, value = node.targets[0].id, ast.literal_eval(node.value)
        choose("parameter", name, types)
        kind = "None" if value is None else type(value).__name__
        allowed = types[name].split(" | ")
        if kind not in allowed and not (kind == "int" and "float" in allowed):
            raise ParameterError(f"parameter {name} takes {types[name]}, got {value!r}")


def run(name: str, output: Path, parameters: dict) -> None:
    """Execute a notebook of `notebooks/`; `output` appears only when all cells have run.

    Args:
        name: such as "02_evaluate".
        output: path of the executed copy. A failed one is kept beside it, as `*.failed.ipynb`.
        parameters: values for the notebook's parameters cell.

    Raises:
        UnknownName: no such notebook or parameter; nothing was executed.
        NotebookError: a cell failed.
    """
    paths.repository("a notebook")
    folder = paths.NOTEBOOKS
    papermill = require("papermill", extra="notebooks")
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    names = [path.stem for path in sorted(folder.glob("[0-9]*.ipynb"))]
    source = str(folder / f"{choose('notebook', name, names)}.ipynb")
    declared = papermill.inspect_notebook(source)
    for parameter in parameters:
        choose(f"parameter of {name}", parameter, declared)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.stem}.failed.ipynb")
    os.environ[progress.HEADLESS] = "1"
    try:
        papermill.execute_notebook(
            source,
            str(partial),
            parameters,
            cwd=str(paths.ROOT),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=["--log-level=CRITICAL"],  # else the kernel warns about loopback
        )
    except DeadKernelError:
        raise NotebookError(
            f"the kernel of {name} died, probably out of memory: {partial}"
        ) from None
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{error.ename}: {error.evalue}\n  in {name}, cell {error.exec_count}: {partial}"
        ) from None
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # complains about the kernel that was ended
        raise
    os.replace(partial, output)


def command(name: str, parameters: dict) -> str:
    """The shell command that runs a notebook with these parameters; empty ones are left out."""
    words = ["slmbench", "notebook", name, "OUT.ipynb"]
    for parameter, value in parameters.items():
        if value != "":
            words += ["-p", parameter, str(value)]
    return shlex.join(words)


def _literal(text: str):
    """`20` is a number, `None` is None, `true` is True, `free` is text."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: list[str] | None = None) -> None:
    """Execute a notebook: slmbench notebook 02_evaluate OUT.ipynb -p model rules -p limit 20"""
    parser = argparse.ArgumentParser(prog="slmbench notebook", description=main.__doc__)
    parser.add_argument("name", help="a notebook of notebooks/, without folder and suffix")
    parser.add_argument("output", type=Path, help="path of the executed copy")
    parser.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    run(options.name, options.output, {name: _literal(value) for name, value in options.p})
    print(f"{options.output} in {time.perf_counter() - start:.0f} s", flush=True)

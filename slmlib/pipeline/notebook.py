"""What the notebooks and their runner share: parameters that are checked, and one way to run.

papermill accepts any parameter name and any type: a misspelt one ends in a run with the defaults
and exit code 0. So each notebook checks what was injected, and refuses it with the valid choices.
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
from slmlib.core.names import UnknownName, choose

_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool}


class ParameterError(TypeError):
    """A parameter of the wrong type: says which, what it got and what it takes."""


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
        if name not in types:
            raise UnknownName("parameter", name, types)
        _check_type(name, value, types[name])


def _check_type(name: str, value, annotation: str) -> None:
    allowed = [part.strip() for part in annotation.split("|")]
    if value is None and "None" in allowed:
        return
    kinds = [kind for kind in allowed if kind in _TYPES]
    right = any(isinstance(value, _TYPES[kind]) for kind in kinds)
    if kinds and (not right or (isinstance(value, bool) and "bool" not in kinds)):
        raise ParameterError(f"parameter {name} takes {annotation}, got {value!r}")


def run(name: str, output: Path, parameters: dict) -> None:
    """Execute a notebook of `notebooks/`; the executed copy appears at `output` when it is whole.

    Args:
        name: such as "02_evaluate".
        output: path of the executed copy. A failed one is kept beside it, as `*.failed.ipynb`.
        parameters: values for the notebook's parameters cell.

    Raises:
        UnknownName: no such notebook or parameter; nothing was executed.
        NotebookError: a cell failed.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    notebooks = [path.stem for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))]
    source = str(paths.NOTEBOOKS / f"{choose('notebook', name, notebooks)}.ipynb")
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
            extra_arguments=["--log-level=CRITICAL"],  # of the kernel, which else talks about loopback
        )
    except DeadKernelError:
        raise NotebookError(f"the kernel of {name} died, most likely for want of memory: {partial}") from None
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{error.ename}: {error.evalue}\n  in {name}, cell {error.exec_count}: {partial}"
        ) from None
    os.replace(partial, output)


def command(name: str, parameters: dict) -> str:
    """What runs a notebook with these parameters from a terminal; those that are empty are left out."""
    given = ["python", "-m", "slmlib.pipeline.notebook", name, "OUT.ipynb"]
    for parameter, value in parameters.items():
        given += ["-p", parameter, str(value)] if value != "" else []
    return shlex.join(given)


def _literal(text: str):
    """`20` is a number, `None` is None, `free` is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: list[str] | None = None) -> None:
    """Run a notebook: `python -m slmlib.pipeline.notebook 02_evaluate OUT.ipynb -p model rules -p limit 20`."""
    parser = argparse.ArgumentParser(prog="python -m slmlib.pipeline.notebook", description=main.__doc__)
    parser.add_argument("name", help="a notebook of notebooks/, without folder and suffix")
    parser.add_argument("output", type=Path, help="where the executed copy goes")
    parser.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    print(
        f"\n== {given.name} {' '.join(value for name, value in given.p if name in ('model', 'split'))}",
        flush=True,
    )
    run(given.name, given.output, {name: _literal(value) for name, value in given.p})
    print(f"== {given.output} in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (NotebookError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # where a task tells of the kernel that was ended
        sys.exit("stopped; run the same command again to go on")

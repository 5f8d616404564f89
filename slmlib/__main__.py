"""The command `slmbench`: a table of commands, each of which is imported when it is called.

The module of a command has a function `main(arguments)`, which raises errors. Here, and nowhere
else, they become one line and an exit code; with SLMBENCH_TRACEBACK=1 they keep their traceback.
"""

import importlib
import os
import sys

import slmlib
from slmlib.core.names import choose

PUBLISH = "slmlib.training.publish"
COMMANDS = {  # group -> name -> module, and one line of help
    "Models": {
        "model": ("slmlib.models.weights", "list models, or fetch, verify and convert one"),
        "profile": ("slmlib.evaluation.latency", "measure speed and memory as on a device"),
    },
    "Runs": {
        "notebook": ("slmlib.pipeline.notebook", "execute a notebook with parameters"),
        "reproduce": ("slmlib.pipeline.reproduce", "run the whole pipeline: quick or full"),
        "summary": ("slmlib.pipeline.summary", "compare local runs with published ones"),
        "rescore": ("slmlib.evaluation.rescore", "score recorded completions again"),
        "check": ("slmlib.evaluation.submission", "check results that are submitted"),
        "site": ("slmlib.pipeline.site", "render the website and the paper"),
    },
    "Training": {
        "train": ("slmlib.training.sft", "fine-tune a model from a recipe"),
        "ablations": ("slmlib.training.ablations", "train and evaluate the ablations"),
        "publish": (PUBLISH, "copy a trained adapter to data/adapters"),
        "export": (PUBLISH, "write merged safetensors and GGUF files"),
        "push": (PUBLISH, "upload an adapter to the Hugging Face hub"),
        "rounding": (PUBLISH, "measure what quantising keeps of an adapter"),
    },
}


def commands() -> dict[str, dict[str, tuple[str, str]]]:
    """All commands in groups: the table above, then what the tasks offer."""
    offered = {
        name: (f"{package}.{module}", text)
        for package, declared in slmlib.offered("COMMANDS").items()
        for name, (module, text) in declared.items()
    }
    return {**COMMANDS, "Tasks": offered}


def overview() -> str:
    """The text of `slmbench --help`."""
    lines = ["usage: slmbench COMMAND ...", "", slmlib.__doc__]
    for group, table in commands().items():
        lines += ["", f"{group}:", *(f"  {name:16} {text}" for name, (_, text) in table.items())]
    return "\n".join([*lines, "", "`slmbench COMMAND --help` explains a command."])


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"slmbench {slmlib.__version__}")
        return 0
    try:
        return _call(words)
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        ours = isinstance(error, ImportError) and str(error.name).startswith("slmlib")
        if ours or os.environ.get("SLMBENCH_TRACEBACK"):
            raise
        hint = ". Run: pip install 'slmlib[all]'" if type(error) is ModuleNotFoundError else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        return 1


def _call(words: list[str]) -> int:
    table = {name: command for group in commands().values() for name, command in group.items()}
    length = 2 if " ".join(words[:2]) in table else 1  # some names are of two words
    name = choose("command", " ".join(words[:length]), table)
    module, rest = table[name][0], words[length:]
    if module == PUBLISH:  # one module of several commands
        rest = [name, *rest]
    return importlib.import_module(module).main(rest) or 0


if __name__ == "__main__":
    sys.exit(main())

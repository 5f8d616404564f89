"""The command `slmbench`: a table of commands, each of which is imported when it is called.

The module of a command has a function `main(arguments)`, which raises errors. Here, and nowhere
else, they become one line and an exit code; with SLMBENCH_TRACEBACK=1 they keep their traceback.
"""

import importlib
import os
import sys
from typing import NamedTuple

import slmlib
from slmlib.core.names import choose


class Command(NamedTuple):
    """A command: its module, one line of help, and words that are put before its arguments."""

    module: str
    help: str
    words: tuple[str, ...] = ()


PUBLISH = "slmlib.training.publish"
COMMANDS = {
    "Models": {
        "model": Command("slmlib.models.weights", "list models, or fetch, verify and convert one"),
        "profile": Command("slmlib.evaluation.latency", "measure speed and memory as on a device"),
    },
    "Runs": {
        "notebook": Command("slmlib.pipeline.notebook", "execute a notebook with parameters"),
        "reproduce": Command("slmlib.pipeline.reproduce", "run the whole pipeline: quick or full"),
        "summary": Command("slmlib.pipeline.summary", "compare local runs with published ones"),
        "rescore": Command("slmlib.evaluation.rescore", "score recorded completions again"),
        "check": Command("slmlib.evaluation.submission", "check results that are submitted"),
        "site": Command("slmlib.pipeline.site", "render the website and the paper"),
    },
    "Training": {
        "train": Command("slmlib.training.sft", "fine-tune a model from a recipe"),
        "ablations": Command("slmlib.training.ablations", "train and evaluate the ablations"),
        "publish": Command(PUBLISH, "copy a trained adapter to data/adapters", ("publish",)),
        "export": Command(PUBLISH, "write merged safetensors and GGUF files", ("export",)),
        "push": Command(PUBLISH, "upload an adapter to the Hugging Face hub", ("push",)),
        "rounding": Command(PUBLISH, "measure what quantising keeps of an adapter", ("rounding",)),
    },
}


def commands() -> dict[str, dict[str, Command]]:
    """All commands in groups: the table above, then what the tasks offer."""
    offered = {
        name: Command(f"{package}.{module}", text)
        for package, declared in slmlib.offered("COMMANDS").items()
        for name, (module, text) in declared.items()
    }
    return {**COMMANDS, "Tasks": offered}


def overview() -> str:
    """The text of `slmbench --help`."""
    lines = ["usage: slmbench COMMAND ...", "", slmlib.__doc__]
    for group, table in commands().items():
        lines += [
            "",
            f"{group}:",
            *(f"  {name:16} {command.help}" for name, command in table.items()),
        ]
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
    command = table[name]
    return importlib.import_module(command.module).main([*command.words, *words[length:]]) or 0


if __name__ == "__main__":
    sys.exit(main())

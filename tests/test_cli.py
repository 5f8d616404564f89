"""The command `slmbench`: would break if a command were gone, or an error a traceback."""

import importlib
import re
import subprocess
import sys
import tomllib

import pytest

from slmlib import __main__ as cli
from slmlib.core import paths
from slmlib.core.optional import MissingPackage


def test_every_command_is_listed_and_explains_itself(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for group in cli.commands().values():
        for name, (_, text) in group.items():
            assert f"  {name:16} {text}\n" in shown
            with pytest.raises(SystemExit) as caught:
                cli.main([*name.split(), "--help"])
            assert caught.value.code == 0
            assert f"usage: slmbench {name}" in capsys.readouterr().out
    assert cli.main(["notebok"]) == 1
    assert "did you mean 'notebook'" in capsys.readouterr().err


def test_errors_are_one_line_and_an_exit_code(monkeypatch, capsys):
    errors = {
        ValueError("bad schema"): (1, "error: bad schema\n"),
        FileNotFoundError(2, "No such file", "x"): (1, "error: [Errno 2] No such file: 'x'\n"),
        MissingPackage("typst is not installed."): (1, "error: typst is not installed.\n"),
        KeyboardInterrupt(): (130, "stopped; run the same command again to continue\n"),
    }
    raised = []

    def failing(name):
        raise raised[-1]

    monkeypatch.setattr(importlib, "import_module", failing)
    for error, (code, message) in errors.items():
        raised.append(error)
        assert cli.main(["model"]) == code and capsys.readouterr().err == message
    raised.append(ImportError("a bug", name="slmlib.core"))
    with pytest.raises(ImportError, match="a bug"):
        cli.main(["model"])


def test_optional_packages_are_named_on_use_with_an_extra_that_installs_them():
    code = """
import sys
from pathlib import Path
from slmlib.core import machine
from slmlib.core.optional import MissingPackage
from slmlib.training import sft

uses = {
    "codecarbon": lambda: machine.Energy().__enter__(),
    "datasketch": lambda: __import__("slmlib.textgen.near_duplicates"),
    "matplotlib": lambda: __import__("slmlib.report.plots"),
    "tensorboard": lambda: sft._run(None, Path("."), None, None, None),
}
for package, use in uses.items():
    sys.modules[package] = None
    try:
        use()
    except MissingPackage as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    messages = re.findall(r"^(\w+) is not .*'slmlib\[(\w+)\]'$", done.stdout, re.MULTILINE)
    assert len(messages) == 4, done.stdout
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for package, extra in messages:
        assert package in project["optional-dependencies"][extra], package


def test_importing_the_package_reads_no_data():
    """Texts, figures and styles are for those who use them."""
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import slmlib, slmlib.tasks
from slmlib.core import paths
folder = str(paths.PACKAGE.parent)
print([p for p in opened if p.startswith(folder + "/") and ".venv" not in p
       and not p.endswith((".py", ".pyc"))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

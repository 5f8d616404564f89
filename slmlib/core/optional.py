"""Optional packages: imported on use, and named with their install line where they are missing."""

import importlib
from types import ModuleType


class MissingPackage(ImportError):
    """An optional package that is not installed; the message gives the command that installs it."""


def require(module: str, *, extra: str) -> ModuleType:
    """Import a module of an optional package, which an extra of `pyproject.toml` installs.

    Raises:
        MissingPackage: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:  # the package is there, and something that it needs is not
            raise
        raise MissingPackage(
            f"{package} is not installed. Run: pip install 'slmlib[{extra}]'", name=package
        ) from None

"""SLMBench, Edge Pack: practical evaluation of small language models on edge devices."""

import importlib
import pkgutil

__version__ = "0.1.0"


def offered(attribute: str) -> dict[str, dict]:
    """A declaration of the task packages, such as their `COMMANDS`, by name of the package."""
    tasks = importlib.import_module("slmlib.tasks")
    names = [module.name for module in pkgutil.iter_modules(tasks.__path__) if module.ispkg]
    packages = [importlib.import_module(f"slmlib.tasks.{name}") for name in names]
    return {package.__name__: getattr(package, attribute, {}) for package in packages}


def __getattr__(name: str):
    """Import what a task exports, such as `Extractor`, on first use: engines load for seconds."""
    if name[0].isupper():
        for package, exports in offered("EXPORTS").items():
            if name in exports:
                return getattr(importlib.import_module(f"{package}.{exports[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Benchmark tasks, one package each; `get` finds a task by name."""

from slmlib.tasks.base import get, names

__all__ = ["get", "names"]

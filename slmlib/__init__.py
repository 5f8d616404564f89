"""SLMBench, Edge Pack: practical evaluation of small language models on edge devices."""

__version__ = "0.1.0"
__all__ = ["Extractor"]


def __getattr__(name: str):
    """`Extractor` is imported when it is asked for: engines take seconds to import."""
    if name == "Extractor":
        from slmlib.tasks.edgejson.extractor import Extractor

        return Extractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

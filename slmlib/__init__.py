"""SLMBench, Edge Pack: practical evaluation of small language models on edge devices."""

__version__ = "0.1.0"

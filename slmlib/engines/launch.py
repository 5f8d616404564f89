"""Starting an engine by name; what each engine needs, computes and supports."""

import importlib
import importlib.util
from collections.abc import Mapping

from slmlib.core import machine
from slmlib.core.names import choose
from slmlib.engines.base import (
    TIMEOUT,
    Choice,
    Constraint,
    Engine,
    EngineError,
    JsonSchema,
    ToolCalls,
    UnsupportedConstraint,
)

DTYPES = {  # engine -> types that it computes in or reads; "auto" is the first, or the machine's
    "transformers": ("float32", "bfloat16", "int8", "nf4"),
    "openvino": ("float32", "bfloat16"),
    "llamacpp": ("q8_0", "f16", "q4_k_m", "q4_k_m_i", "q4_1", "source"),
    "openai": ("served",),
}
ENFORCES = {  # engine -> constraints
    "transformers": (JsonSchema, Choice, ToolCalls),
    "openvino": (JsonSchema, Choice, ToolCalls),
    "llamacpp": (JsonSchema, Choice, ToolCalls),
    "openai": (JsonSchema, ToolCalls),
}
SCORING = ("transformers",)  # engines that give log-probabilities of labels
NEEDS = {  # engine -> modules that it imports
    "transformers": ("torch", "transformers", "llguidance", "llguidance.hf"),
    "openvino": ("openvino", "openvino_genai", "gguf", "xgrammar"),
    "llamacpp": ("xllamacpp", "gguf", "httpx", "llguidance"),
    "openai": ("openai", "anyio"),
}
ENGINES = tuple(DTYPES)
LOCAL = tuple(name for name in ENGINES if name != "openai")  # load the weights in this process
PACKAGES = {"openvino_genai": "openvino-genai"}  # module -> its name for pip, where that differs


def start(
    name: str,
    model: str,
    *,
    dtype: str,
    batch_size: int,
    threads: int | None = None,
    reuse: bool = True,
    endpoint: str = "",
    timeout: float = TIMEOUT,
) -> Engine:
    """Start an engine with a model.

    Args:
        name: one of `ENGINES`.
        model: a model of the registry; for "openai" any that its server knows.
        dtype: one of `DTYPES[name]`.
        batch_size: requests decoded at once.
        threads: cores to use; all available ones by default.
        reuse: whether what a prompt shares with an earlier one is read only once.
        endpoint: address of the server, for "openai".
        timeout: seconds for one completion of a server.
    """
    choose("engine", name, ENGINES)
    require(name)
    module = importlib.import_module(f"slmlib.engines.{name}")
    sizes = {"batch_size": batch_size, "threads": threads, "reuse": reuse}
    return module.start(model, dtype=dtype, **sizes, endpoint=endpoint, timeout=timeout)


def packages(name: str) -> set[str]:
    """Distributions that an engine imports; none for a control."""
    modules = {module.partition(".")[0] for module in NEEDS.get(name, ())}
    return {PACKAGES.get(module, module) for module in modules}


def require(name: str) -> None:
    """Import what an engine needs, so that a missing package is noticed before a run begins.

    Raises:
        EngineError: a package is missing; the message gives the command that installs it.
    """
    for module in NEEDS[name]:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or module).partition(".")[0]
            package = PACKAGES.get(missing, missing)
            raise EngineError(
                f"the engine {name} needs {package}, which is not installed. "
                "Run: pip install 'slmlib[engines]'"
            ) from error


def require_support(name: str, constraint: Constraint | None, want_scores: bool = False) -> None:
    """Check that an engine enforces a constraint and gives scores of labels if they are wanted.

    Raises:
        UnsupportedConstraint: it does not; the message names the engines that do.
    """
    able, wanted = list(ENGINES), []
    if constraint is not None:
        able = [each for each in able if type(constraint) in ENFORCES[each]]
        wanted.append(f"the constraint {type(constraint).__name__}")
    if want_scores:
        able = [each for each in able if each in SCORING]
        wanted.append("log-probabilities of labels")
    if name not in able:
        raise UnsupportedConstraint(
            f"the engine {name} does not support {' with '.join(wanted)}. "
            f"Use: {', '.join(able) or 'another constraint; no engine does'}."
        )


def resolve(name: str, *, gguf: bool) -> str:
    """Turn "auto" into openvino for a GGUF file on a CPU, if installed, else transformers."""
    if name != "auto":
        return name
    fast = gguf and not machine.torch_has_gpu() and importlib.util.find_spec("openvino_genai")
    return "openvino" if fast else "transformers"


def resolve_dtype(dtype: str, *, engine: str = "transformers") -> str:
    """Turn "auto" into the first of an engine's `DTYPES`.

    For transformers it is bfloat16 on a GPU, and on a CPU with instructions for it.
    """
    choose(f"dtype of {engine}", dtype, ("auto", *DTYPES[engine]))
    if dtype != "auto":
        return dtype
    if engine == "transformers" and (machine.torch_has_gpu() or machine.bfloat16_is_faster()):
        return "bfloat16"
    return DTYPES[engine][0]


def precision(engine: Mapping) -> str | None:
    """Precision of the weights, from the `engine` block of a result."""
    return engine["weights"] if engine["name"] == "llamacpp" else engine["dtype"]

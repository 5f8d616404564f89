"""The machine of a run, the memory and energy that it takes, and the code that runs on it."""

import ast
import hashlib
import importlib.metadata
import logging
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import slmlib
from slmlib.core import paths
from slmlib.core.optional import require

PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "bitsandbytes",
    "openvino", "openvino-genai", "xllamacpp", "gguf", "llguidance", "xgrammar", "openai", "httpx",
    "codecarbon", "jsonschema", "numpy", "scipy",
)  # fmt: skip
FEATURES = {  # instructions of a CPU that the engines' kernels choose by
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni",
    "avx_vnni", "amx_bf16", "amx_int8", "asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve",
}  # fmt: skip
WIDEST = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "sve", "asimd")  # for `label`, best first
CGROUP = Path("/sys/fs/cgroup")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def describe() -> dict:
    """The machine as far as it explains a speed, with the GPUs in use."""
    described = {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "features": sorted(features()),
        "cores": available_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        gpus = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        described["gpus"] = [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in gpus]
    return described


def label(described: Mapping) -> str:
    """A machine as printed: cores, CPU, and the widest of its instructions; a dash if unknown."""
    widest = next((name for name in WIDEST if name in described.get("features", ())), None)
    counted = " × ".join(str(described[part]) for part in ("cores", "cpu") if described.get(part))
    return ", ".join(filter(None, (counted, widest))) or "–"


def _cpuinfo(field: str) -> str:
    """A field of the first core in Linux's list; "" where there is no such list or field."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        if match := re.search(rf"^(?:{field})\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1]
    return ""


def features() -> set[str]:
    """The CPU's instructions that are in `FEATURES`; none where the system does not list them."""
    return set(_cpuinfo("flags|Features").split()) & FEATURES


def bfloat16_is_faster() -> bool:
    """Return whether PyTorch multiplies faster in bf16 than in fp32 on this CPU.

    Read from CPU flags: a timing could change the dtype of a resumed run.
    """
    return not features().isdisjoint(("amx_bf16", "avx512_bf16"))


def torch_has_gpu() -> bool:
    """Return whether PyTorch has a GPU in this process."""
    import torch

    return torch.cuda.is_available()


def has_gpu() -> bool:
    """Return whether PyTorch has a GPU, asked in a process of its own: importing it is slow."""
    if shutil.which("nvidia-smi") is None:
        return False
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def available_threads() -> int:
    """Cores that this process may use, of the machine and of a container around it."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # "max" is not a number: no limit
        quota, period = map(int, (CGROUP / "cpu.max").read_text().split())
        cores = min(cores, max(1, quota // period))
    return cores


def available_memory() -> int:
    """Bytes of memory that this process can still take, of the machine and of its container."""
    import psutil

    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # "max" is not a number: no limit
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        counted = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        files = int(counted.get("file", 0))  # cached files, which are dropped when memory is needed
        free = min(free, limit - used + files)
    return max(0, free)


def peak_memory() -> int:
    """Peak bytes of resident memory of this process.

    On Linux `getrusage` would include what its parent held before it started this program; the
    kernel's own list does not.
    """
    with suppress(OSError, TypeError):  # other systems have no such file, or no such line in it
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def peak_gpu_memory() -> int:
    """Peak bytes of GPU memory that PyTorch has held in this process; 0 without a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda.max_memory_reserved() if torch and torch.cuda.is_initialized() else 0


class Energy:
    """Measures the energy that the machine takes in a `with` block, by CodeCarbon.

    Attributes:
        joules: since the block began.
        source: "measured", "measured in part" or "estimated", and of what.
    """

    def __init__(self, every: float = 1):
        self.every = every  # seconds between two readings of the counters

    def __enter__(self) -> "Energy":
        codecarbon = require("codecarbon", extra="eval")
        # it logs before it reads its own log_level
        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        self.tracker = codecarbon.OfflineEmissionsTracker(
            country_iso_code="USA",  # only emissions depend on it, and they are not read
            measure_power_secs=self.every,
            tracking_mode="machine",  # as the counters of RAPL do; by process it counts spikes
            save_to_file=False,
            allow_multiple_runs=True,
            log_level="error",
        )
        self.tracker.start()
        return self

    def __exit__(self, *_) -> None:
        self.tracker.stop()
        self.joules = self.tracker.final_emissions_data.energy_consumed * 3.6e6  # kWh
        parts = [part.description() for part in self.tracker._hardware]
        measured = sum("rapl" in part.lower() or "gpu" in part.lower() for part in parts)
        how = "measured in part" if measured else "estimated"
        if measured == len(parts):
            how = "measured"
        self.source = f"{how}: {', '.join(parts)}"


def environment() -> dict:
    """Packages, machine and commit of this process."""
    packages = {"slmlib": slmlib.__version__}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # an engine may not be installed
            packages[name] = importlib.metadata.version(name)
    return {"packages": packages, "machine": describe(), **commit()}


def code_sha256(*patterns: str) -> str:
    """Hash the library's modules that match, without comments, docstrings and layout.

    Args:
        patterns: glob patterns relative to the package, such as "engines/*.py".
    """
    package = Path(slmlib.__file__).parent
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in package.glob(pattern)}):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
        digest.update(f"{path.relative_to(package).as_posix()} {ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def commit() -> dict:
    """The commit, and whether what results depend on differs from it; None without a clone."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(paths.ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    code = ("slmlib", "notebooks", "requirements.lock", "data", ":!data/results")
    with suppress(OSError, subprocess.CalledProcessError):
        if paths.is_clone(paths.ROOT):
            changes = git("status", "--porcelain", "--", *code)
            return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changes)}
    return {"commit": None, "dirty": None}

"""The whole reproduction as a graph of files: notebooks over data/runs.yaml, then the pages.

`make quick` and `make full` run it on this machine. On a cluster:
    snakemake --executor slurm --jobs 50 --config profile=full
"""

import shlex
import sys
from pathlib import Path

from slmlib.core import machine
from slmlib.pipeline import runs

PROFILE = config.get("profile", "quick")
if PROFILE not in ("quick", "full"):
    raise ValueError(f"profile {PROFILE!r} is unknown. Valid: quick, full.")
OUT = f"runs/{PROFILE}"
PYTHON = shlex.quote(sys.executable)
NOTEBOOK = f"{PYTHON} -m slmlib.pipeline.notebook"

RUNS = runs.runs()
TRAININGS = runs.trainings()
GPU = str(config.get("gpu", machine.has_gpu())).lower()  # what wants one is made where Snakemake sees one, or is told so
if GPU not in ("true", "false"):
    raise ValueError(f"gpu {GPU!r} is unknown. Valid: true, false.")
TRAINED = [n for n, run in TRAININGS.items() if (PROFILE == "full" or run["quick"]) and (GPU == "true" or not run["gpu"])]
CHOSEN = [name for name, run in RUNS.items() if PROFILE == "full" or run["quick"]]
CONTROLS = ("no-op", "oracle", "rules")
# a model is asked once it is trained, where that is part of the run
TRAINER = {TRAININGS[name]["publish_as"]: f"{OUT}/03_train/{name}.ipynb" for name in TRAINED}


def files(*patterns):
    """Existing files, sorted, so that a change of one of them remakes what rests on it."""
    return sorted(str(p) for pattern in patterns for p in Path(".").glob(pattern) if p.is_file())


CORE = files("slmlib/core/*.py")
LIBRARY = [*CORE, "slmlib/tasks/base.py", *files("slmlib/textgen/**/*.py", "slmlib/textgen/**/*.txt", "slmlib/tasks/*/**/*.py")]
RUNNING = files("slmlib/models/*", "slmlib/engines/*.py", "slmlib/evaluation/*.py")
TRAINING = files("slmlib/models/*", "slmlib/training/*.py", "data/recipes/**/*")
# what is analysed is what is published: by this run if it is a full one, as it stands if not
PUBLICATION = (
    [*(f"{OUT}/02_evaluate/{name}.ipynb" for name in CHOSEN), f"{OUT}/ablations.txt"] if PROFILE == "full" else files("data/results/*/*", "data/results/*/*/*")
)
ANALYSIS = files("slmlib/evaluation/*.py", "slmlib/report/*.py")


def parameters(run):
    """The run as options of the notebook runner."""
    chosen = {key: value for key, value in run.items() if key not in ("quick", "gpu") and value != ""}
    return " ".join(f"-p {key} {value}" for key, value in {**chosen, "profile": PROFILE}.items())


rule all:
    input:
        "_site/index.html",
        expand(f"{OUT}/02_evaluate/{{name}}.ipynb", name=CHOSEN),
        expand(f"{OUT}/03_train/{{name}}.ipynb", name=TRAINED),


rule generate:
    input:
        "notebooks/01_generate.ipynb",
        LIBRARY,
        files("slmlib/tasks/edgejson/**/*.txt", "data/edgejson/*", "data/edgejson/schemas/*"),
    output:
        f"{OUT}/01_generate.ipynb",
    benchmark:
        f"{OUT}/benchmarks/01_generate.tsv"
    shell:
        "{NOTEBOOK} 01_generate {output} -p profile {PROFILE}"


rule evaluate:
    input:
        "notebooks/02_evaluate.ipynb",
        f"{OUT}/01_generate.ipynb",
        LIBRARY,
        RUNNING,
        lambda wildcards: TRAINER.get(RUNS[wildcards.name]["model"], []),
    output:
        f"{OUT}/02_evaluate/{{name}}.ipynb",
    benchmark:
        f"{OUT}/benchmarks/02_evaluate-{{name}}.tsv"
    params:
        options=lambda wildcards: parameters(RUNS[wildcards.name]),
    # a model takes the whole machine; on a cluster, whose size is not known here, eight cores
    threads: lambda wildcards: 1 if RUNS[wildcards.name]["model"] in CONTROLS else workflow.cores or 8
    shell:
        "{NOTEBOOK} 02_evaluate {output} {params.options}"


rule train:
    input:
        "notebooks/03_train.ipynb",
        f"{OUT}/01_generate.ipynb",
        LIBRARY,
        TRAINING,
    output:
        f"{OUT}/03_train/{{name}}.ipynb",
    benchmark:
        f"{OUT}/benchmarks/03_train-{{name}}.tsv"
    params:
        options=lambda wildcards: parameters(TRAININGS[wildcards.name]),
    threads: workflow.cores or 8
    shell:
        "{NOTEBOOK} 03_train {output} {params.options}"


rule ablations:
    input:
        "slmlib/training/ablations.py",
        f"{OUT}/01_generate.ipynb",
        LIBRARY,
        RUNNING,
        TRAINING,
    output:
        f"{OUT}/ablations.txt",
    benchmark:
        f"{OUT}/benchmarks/04_ablations.tsv"
    threads: workflow.cores or 8
    shell:
        "{PYTHON} -m slmlib.training.ablations --again > {output}"


rule analyze:
    input:
        "notebooks/04_analyze.ipynb",
        "data/edgejson/manifest.json",
        "site/theme.css",
        files("data/*/README.md", "data/adapters/*/README.md"),
        LIBRARY,
        ANALYSIS,
        PUBLICATION,
    output:
        f"{OUT}/04_analyze.ipynb",
    benchmark:
        f"{OUT}/benchmarks/04_analyze.tsv"
    shell:
        "{NOTEBOOK} 04_analyze {output}"


rule site:
    input:
        f"{OUT}/04_analyze.ipynb",
        "_quarto.yml",
        "index.qmd",
        "slmlib/pipeline/preview.py",
        files("site/**/*", "paper/**/*", "notebooks/*.ipynb"),
    output:
        "_site/index.html",
    benchmark:
        f"{OUT}/benchmarks/05_site.tsv"
    shell:
        "{PYTHON} -m slmlib.pipeline.preview"

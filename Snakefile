"""The whole reproduction as a graph of files: notebooks over data/runs.yaml, then the website.

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
GPU = str(config.get("gpu", machine.has_gpu())).lower()  # a cluster's login node may have none
if GPU not in ("true", "false"):
    raise ValueError(f"gpu {GPU!r} is unknown. Valid: true, false.")
FULL = PROFILE == "full"
OUT, LOGS = f"runs/{PROFILE}", f"runs/logs/{PROFILE}"
SLMBENCH = f"{shlex.quote(sys.executable)} -m slmlib"

RUNS = {name: run for name, run in runs.runs().items() if FULL or run["quick"]}
TRAININGS = {
    name: run
    for name, run in runs.trainings().items()
    if (FULL or run["quick"]) and (GPU == "true" or not run["gpu"])
}
# a model that is trained in this reproduction is evaluated after its training
TRAINER = {run["publish_as"]: f"{OUT}/03_train/{name}.ipynb" for name, run in TRAININGS.items()}
TASKS = runs.listed_tasks()
CORES = workflow.cores or 8  # a model takes the whole machine; on a cluster, eight cores


def files(*patterns):
    """Existing files, sorted: a change of one remakes what depends on it."""
    return sorted(str(p) for pattern in patterns for p in Path(".").glob(pattern) if p.is_file())


def task_code(task):
    """Code that makes, asks and scores a task's cases."""
    shared = files("slmlib/core/*.py", "slmlib/textgen/**/*", "slmlib/tasks/*.py")
    return [path for path in shared + files(f"slmlib/tasks/{task}/**/*") if "__pycache__" not in path]


def options(run):
    """A run as options of the notebook runner."""
    chosen = {key: value for key, value in run.items() if key not in ("quick", "gpu") and value != ""}
    return " ".join(f"-p {key} {value}" for key, value in {**chosen, "profile": PROFILE}.items())


def task_of(training):
    return Path(training["recipe"]).parts[0]


RUNNING = files("slmlib/models/*", "slmlib/engines/*.py", "slmlib/evaluation/*.py")
TRAINING = files("slmlib/models/*", "slmlib/training/*.py", "data/recipes/**/*")
# what is analysed is what is published: by this reproduction if it is a full one, else as it is
PUBLISHED = (
    [*expand(f"{OUT}/02_evaluate/{{name}}.ipynb", name=RUNS), f"{OUT}/ablations.txt"]
    if FULL
    else files("data/results/**/*")
)


rule all:
    input:
        "_site/index.html",
        expand(f"{OUT}/02_evaluate/{{name}}.ipynb", name=RUNS),
        expand(f"{OUT}/03_train/{{name}}.ipynb", name=TRAININGS),


rule generate:
    input:
        "notebooks/01_generate.ipynb",
        lambda wildcards: [*task_code(wildcards.task), *files(f"data/{wildcards.task}/**/*")],
    output:
        f"{OUT}/01_generate/{{task}}.ipynb",
    log:
        f"{LOGS}/01_generate-{{task}}.log",
    benchmark:
        f"{OUT}/benchmarks/01_generate-{{task}}.tsv"
    shell:
        "{SLMBENCH} notebook 01_generate {output} -p task {wildcards.task} -p profile {PROFILE} > {log} 2>&1"


rule evaluate:
    input:
        "notebooks/02_evaluate.ipynb",
        RUNNING,
        lambda wildcards: f"{OUT}/01_generate/{RUNS[wildcards.name]['task']}.ipynb",
        lambda wildcards: task_code(RUNS[wildcards.name]["task"]),
        lambda wildcards: TRAINER.get(RUNS[wildcards.name]["model"], []),
    output:
        f"{OUT}/02_evaluate/{{name}}.ipynb",
    log:
        f"{LOGS}/02_evaluate-{{name}}.log",
    benchmark:
        f"{OUT}/benchmarks/02_evaluate-{{name}}.tsv"
    params:
        options=lambda wildcards: options(RUNS[wildcards.name]),
    threads: lambda wildcards: 1 if runs.is_control(RUNS[wildcards.name]) else CORES
    shell:
        "{SLMBENCH} notebook 02_evaluate {output} {params.options} > {log} 2>&1"


rule train:
    input:
        "notebooks/03_train.ipynb",
        TRAINING,
        lambda wildcards: f"{OUT}/01_generate/{task_of(TRAININGS[wildcards.name])}.ipynb",
        lambda wildcards: task_code(task_of(TRAININGS[wildcards.name])),
    output:
        f"{OUT}/03_train/{{name}}.ipynb",
    log:
        f"{LOGS}/03_train-{{name}}.log",
    benchmark:
        f"{OUT}/benchmarks/03_train-{{name}}.tsv"
    params:
        options=lambda wildcards: options(TRAININGS[wildcards.name]),
    threads: CORES
    shell:
        "{SLMBENCH} notebook 03_train {output} {params.options} > {log} 2>&1"


rule ablations:
    input:
        expand(f"{OUT}/01_generate/{{task}}.ipynb", task=TASKS),
        RUNNING,
        TRAINING,
    output:
        f"{OUT}/ablations.txt",
    log:
        f"{LOGS}/03_ablations.log",
    benchmark:
        f"{OUT}/benchmarks/03_ablations.tsv"
    threads: CORES
    shell:
        "{SLMBENCH} ablations --again > {log} 2>&1 && cp {log} {output}"


rule analyze:
    input:
        "notebooks/04_analyze.ipynb",
        files("slmlib/core/*.py", "slmlib/evaluation/*.py", "slmlib/report/*"),
        files("slmlib/training/*", "slmlib/models/*", "data/recipes/**/*", "data/adapters/*/README.md"),
        PUBLISHED,
        f"{OUT}/01_generate/{{task}}.ipynb",
        lambda wildcards: task_code(wildcards.task),
    output:
        f"{OUT}/04_analyze/{{task}}.ipynb",
    log:
        f"{LOGS}/04_analyze-{{task}}.log",
    benchmark:
        f"{OUT}/benchmarks/04_analyze-{{task}}.tsv"
    shell:
        "{SLMBENCH} notebook 04_analyze {output} -p task {wildcards.task} -p publish {FULL} -p out {OUT}/analysis > {log} 2>&1"


rule site:
    input:
        expand(f"{OUT}/04_analyze/{{task}}.ipynb", task=TASKS),
        "_quarto.yml",
        "_variables.yml",
        "index.qmd",
        files("figures/**/*", "slmlib/pipeline/site.py", "slmlib/pipeline/paper.*", "site/**/*", "paper/**/*", "notebooks/*.ipynb"),
    output:
        "_site/index.html",
    log:
        f"{LOGS}/05_site.log",
    benchmark:
        f"{OUT}/benchmarks/05_site.tsv"
    shell:
        "{SLMBENCH} site > {log} 2>&1"

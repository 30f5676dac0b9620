"""Runs, their records and everything around them.

The modules here are what you type (`run`, `sweep`, `status`, `worker`, `sync`; `archive` and `deposit` for records;
`compare` and `curves` for runs; `predict`, `evaluate` and `export` for trained networks) or import (`results`,
`trained`).
The rest is in rooms, each listed above those that it uses:

studies, dashboard    experiments on the method itself; Omniboard for the runs
launch                many runs at once: on this machine, from a queue, on Slurm
execution             one run from its settings to its record
estimates             how long a run will take
problems              what answers a search's questions: trained models, tables of benchmarks
training              networks for images and text, trained epoch by epoch and resumable
config                settings, sweeps, and what identifies a run (their values: settings/, sweeps/)
pictures, mongo       cells and plots; the mirror of the runs in MongoDB
data                  data sets: downloads, readers, augmentation
records               what a run keeps on disk
console               progress, output and refusals
"""

import importlib.util
import io
import os
import sys
import warnings

_missing = [name for name in ("numpy", "pydantic", "sacred", "torch") if not importlib.util.find_spec(name)]
if _missing:
    sys.exit(f"error: no {', '.join(_missing)} in {sys.executable}: make install, then .venv/bin/python in its place")
if not importlib.util.find_spec("pkg_resources"):
    raise ImportError("Sacred needs pkg_resources, which setuptools 82 removed: pip install 'setuptools<81'")

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait stall a shared machine
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS does not promise to repeat its bits
warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # Sacred imports it, whoever imports Sacred
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter, λ say, ends no command

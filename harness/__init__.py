"""Runs, their records and everything around them."""

import importlib.util
import io
import os
import sys
import warnings

if importlib.util.find_spec("sacred") and not importlib.util.find_spec("pkg_resources"):
    raise ImportError("Sacred needs pkg_resources, which setuptools 82 removed: pip install 'setuptools<81'")

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait stall a shared machine
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS does not promise to repeat its bits
warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # Sacred imports it, whoever imports Sacred
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter, λ say, ends no command

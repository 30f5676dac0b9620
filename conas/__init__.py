"""Sparse recovery of pseudo-Boolean functions, and neural architecture search with it (CoNAS).

Everything here is imported at first use: nothing but the networks needs torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conas.algorithm import Settings as Settings
    from conas.algorithm import decide as decide
    from conas.algorithm import search as search
    from conas.algorithm import search_on as search_on
    from conas.cells import cell as cell
    from conas.cnn.network import FinalNetwork as FinalNetwork
    from conas.cnn.one_shot import OneShotCNN as OneShotCNN
    from conas.genotype import Genotype as Genotype
    from conas.oracle import Function as Function
    from conas.oracle import Oracle as Oracle
    from conas.problem import Outcome as Outcome
    from conas.problem import Problem as Problem
    from conas.recovery.fourier import SparsePolynomial as SparsePolynomial
    from conas.recovery.minimiser import minimise as minimise
    from conas.recovery.regressor import SparseFourierRegressor as SparseFourierRegressor
    from conas.recovery.solve import iht as iht
    from conas.recovery.solve import lasso as lasso
    from conas.recovery.solve import omp as omp
    from conas.rnn.language_model import FinalRNN as FinalRNN
    from conas.rnn.language_model import OneShotRNN as OneShotRNN
    from conas.saved import load as load
    from conas.space import Bits as Bits
    from conas.space import Space as Space
    from conas.synthetic import SyntheticProblem as SyntheticProblem

__version__ = "0.1.0"

_HOMES = {
    "algorithm": ("Settings", "decide", "search", "search_on"),
    "cnn.network": ("FinalNetwork",),
    "cnn.one_shot": ("OneShotCNN",),
    "genotype": ("Genotype",),
    "oracle": ("Function", "Oracle"),
    "problem": ("Outcome", "Problem"),
    "cells": ("cell",),
    "recovery.fourier": ("SparsePolynomial",),
    "recovery.minimiser": ("minimise",),
    "recovery.regressor": ("SparseFourierRegressor",),
    "recovery.solve": ("iht", "lasso", "omp"),
    "rnn.language_model": ("FinalRNN", "OneShotRNN"),
    "saved": ("load",),
    "space": ("Bits", "Space"),
    "synthetic": ("SyntheticProblem",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'conas' has no attribute {name!r}")
    return getattr(import_module(f"conas.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

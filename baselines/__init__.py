"""The searches that are compared. Importing the package registers all of them: one module, one line here; and those
that other installed packages offer."""

from baselines import asha as asha
from baselines import bananas as bananas
from baselines import best_of_m as best_of_m
from baselines import bocs as bocs
from baselines import combo as combo
from baselines import comex as comex
from baselines import conas as conas
from baselines import fixed as fixed
from baselines import fourier_search as fourier_search
from baselines import ghn as ghn
from baselines import harmonica as harmonica
from baselines import local_search as local_search
from baselines import pnas as pnas
from baselines import proxylessnas_net as proxylessnas_net
from baselines import proxylessnas_r as proxylessnas_r
from baselines import pyramidnet as pyramidnet
from baselines import qsft as qsft
from baselines import random_search as random_search
from baselines import random_wiring as random_wiring
from baselines import regularised_evolution as regularised_evolution
from baselines import rsws as rsws
from baselines import zero_cost as zero_cost
from baselines.enas import coupled as coupled
from baselines.enas import frozen as frozen
from baselines.language import awd_lstm as awd_lstm
from baselines.language import mixture_of_softmaxes as mixture_of_softmaxes
from baselines.language import nas_cell as nas_cell
from baselines.language import variational_rhn as variational_rhn
from baselines.plugins import METHODS_GROUP, load_plugins
from baselines.relaxations import asap as asap
from baselines.relaxations import darts as darts
from baselines.relaxations import drnas as drnas
from baselines.relaxations import gdas as gdas
from baselines.relaxations import pc_darts as pc_darts
from baselines.relaxations import proxylessnas as proxylessnas
from baselines.relaxations import snas as snas

load_plugins(METHODS_GROUP)

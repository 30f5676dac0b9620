"""The searches that are compared, by name: one module, one line here; and those that other installed packages offer.

A module is imported when its method is asked for, so that no command waits for what it does not use.
"""

from baselines.plugins import METHODS_GROUP, load_plugins
from baselines.registry import METHODS

METHODS.offer(
    asap="baselines.relaxations.asap",
    asha="baselines.asha",
    awd_lstm="baselines.language.awd_lstm",
    bananas="baselines.bananas",
    best_of_m="baselines.best_of_m",
    bocs="baselines.bocs",
    combo="baselines.combo",
    comex="baselines.comex",
    conas="baselines.conas",
    darts="baselines.relaxations.darts",
    drnas="baselines.relaxations.drnas",
    enas="baselines.enas.coupled",
    enas_frozen="baselines.enas.frozen",
    fixed="baselines.fixed",
    fourier_search="baselines.fourier_search",
    gdas="baselines.relaxations.gdas",
    ghn="baselines.ghn",
    harmonica="baselines.harmonica",
    hill_climbing="baselines.hill_climbing",
    local_search="baselines.local_search",
    mixture_of_softmaxes="baselines.language.mixture_of_softmaxes",
    nas_cell="baselines.language.nas_cell",
    naswot="baselines.zero_cost",
    pc_darts="baselines.relaxations.pc_darts",
    pnas="baselines.pnas",
    proxylessnas="baselines.relaxations.proxylessnas",
    proxylessnas_net="baselines.proxylessnas_net",
    proxylessnas_r="baselines.proxylessnas_r",
    pyramidnet="baselines.pyramidnet",
    pyramidnet_autoaugment="baselines.pyramidnet",
    qsft="baselines.qsft",
    random_search="baselines.random_search",
    random_wiring="baselines.random_wiring",
    regularised_evolution="baselines.regularised_evolution",
    rsws="baselines.rsws",
    snas="baselines.relaxations.snas",
    synflow="baselines.zero_cost",
    variational_rhn="baselines.language.variational_rhn",
)
load_plugins(METHODS_GROUP)

"""The list of what is assumed: complete, without what somebody chose, and the same in print."""

from typing import Any

import pytest

from harness import run
from harness.config.assumptions import assumptions
from harness.config.load import defaults, flatten, load

PAPER: dict[str, Any] = {"profile": "paper"}


@pytest.mark.parametrize("chosen", [{"dataset": "cifar10"}, {"dataset": "svhn"}, {"dataset": "ptb"}])
@pytest.mark.parametrize("method", ["conas", "rsws", "asha"])
def test_every_setting_with_an_assumption_behind_it_is_listed(chosen: dict[str, Any], method: str) -> None:
    chosen = {**PAPER, **chosen, "method": method}
    values, sources = defaults(chosen)
    listed = "\n".join(assumptions([load(chosen)]))
    kept = dict(flatten(load(chosen).model_dump(mode="json")))
    names = [name for name, _ in flatten(values) if "assumption" in sources[name] and name in kept]
    assert len(names) > 5
    assert all(f"{name} = " in listed for name in names)


def test_several_runs_of_one_reason_make_one_line() -> None:
    one, all_ = (assumptions([load({**PAPER, "seed": seed}) for seed in seeds]) for seeds in ([0], [0, 1, 2]))
    assert one == all_


def test_among_several_methods_a_setting_of_the_search_says_whose_it_is() -> None:
    lines = assumptions([load({**PAPER, "dataset": "cifar10", "method": method}) for method in ("comex", "combo")])
    assert any(line.startswith("search.ascents = 5 (combo): ") for line in lines)
    assert any(line.startswith("measure.mode = common: ") for line in lines)


def test_what_somebody_chose_is_no_assumption() -> None:
    chosen = {**PAPER, "dataset": "cifar10"}
    assert any("oneshot.clip = 5.0" in line for line in assumptions([load(chosen)]))
    assert not any("oneshot.clip" in line for line in assumptions([load({**chosen, "oneshot": {"clip": 1.0}})]))


@pytest.mark.parametrize("turn", [1, -1])
def test_of_runs_that_differ_outside_of_their_search_each_is_asked(turn: int) -> None:
    chosen = {**PAPER, "dataset": "cifar10"}
    both = [load(chosen), load({**chosen, "oneshot": {"clip": 1.0}})]
    assert any("oneshot.clip = 5.0" in line for line in assumptions(both[::turn]))


def test_a_section_is_claimed_only_where_it_speaks_of_the_data_set() -> None:
    _, images = defaults({**PAPER, "dataset": "cifar10"})
    _, text = defaults({**PAPER, "dataset": "ptb"})
    assert images["search.lambda"] == images["search.d"] == "section 4.1"
    assert all(text[f"search.{name}"].startswith("assumption") for name in ("lambda", "d"))
    assert text["search.t"] == text["search.s"] == "section 4.3"
    assert not any("4.1" in source for source in text.values())
    _, laptop = defaults({"dataset": "ptb", "profile": "laptop"})
    assert laptop["search.m"] == "profile laptop"


def test_print_config_ends_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["print_config", "profile=paper", "dataset=ptb"]) == 0
    printed = capsys.readouterr().out
    assert all(line in printed for line in assumptions([load({**PAPER, "dataset": "ptb"})]))

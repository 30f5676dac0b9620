"""The search methods by name. A method is one module with one `register` call, offered by the package."""

import dataclasses
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from conas.architecture import Named
from conas.genotype import Genotype
from conas.names import unknown
from conas.problem import Cost, Kinds, Outcome, Problem, refuse
from conas.refusal import Refused
from conas.space import Space

Search = Callable[[Problem, int, Any], Outcome]


@dataclass(frozen=True)
class Method:
    """A search method.

    Attributes:
        search: ``search(problem, seed, settings) -> Outcome``, a pure function.
        settings: a frozen dataclass whose defaults are the published settings; ``metadata={"source": ...}`` on a field
            says where its value comes from. It checks its values in ``__post_init__`` and raises ValueError.
        needs: the kinds of question it asks, or how they follow from its settings.
        budget: the measurements and stand-alone epochs that a search asks for at most, from its settings; one that is
            given time instead asks for what fits. What a one-shot model or a relaxation takes to train is the problem's
            affair.
        sizes: settings that differ for a task or a profile: the keys are ``text`` (published settings of the language
            model), a profile, or a profile and a task, as ``laptop/text``; sizes only, never the algorithm, but for the
            profile ``release``.
        sources: of settings whose value has another source for a task than in general, by task.
        longest: the most epochs that a network is trained alone, from the settings.
        check: refuses, with a ValueError of one line, settings that a space has no room for, before any work.
        recipe: settings of the harness that its network was published with, nested, each with its ``value`` and
            ``source``; a profile, a variant and the user may change them.
        tasks: on which it can be run.
        is_network: it settles on a network of a kind of its own, see `baselines.networks`.
        rehearsal: asks for as much as the search, without its reckoning, for estimates; the search itself if None.
        learns: the policy under which its one-shot model is trained learns meanwhile, so the model is its own.
    """

    name: str
    summary: str
    search: Search
    settings: type
    needs: Kinds | Callable[[Any], Kinds]
    budget: Callable[[Any], Cost]
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    longest: Callable[[Any], int] = lambda settings: 0
    check: Callable[[Space, Any], None] = lambda space, settings: None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] = ("image", "text")
    is_network: bool = False
    learns: bool = False
    rehearsal: Search | None = None

    def __call__(self, problem: Problem, seed: int, settings: Any) -> Outcome:
        """Search, after a look at whether the problem answers what the method asks.

        Raises:
            UnsupportedError: it does not.
            ValueError: its space has no room for the settings.
            Refused: the search returned something else than an outcome whose details are JSON data.
        """
        self._check(problem, settings)
        outcome = self.search(problem, seed, settings)
        self._check_outcome(outcome)
        return outcome

    def rehearse(self, problem: Problem, settings: Any) -> Outcome:
        """Ask as many of the same questions in little time, to see what a search costs; raises as a call."""
        self._check(problem, settings)
        return (self.rehearsal or self.search)(problem, 0, settings)

    def _check(self, problem: Problem, settings: Any) -> None:
        refuse(self.asks(settings), problem, f"method {self.name!r}")
        self.check(problem.space, settings)

    def _check_outcome(self, outcome: Any) -> None:
        if not isinstance(outcome, Outcome) or not isinstance(outcome.architecture, Genotype | Named):
            found = f"Outcome({_kind(outcome.architecture)})" if isinstance(outcome, Outcome) else _kind(outcome)
            raise Refused(f"method {self.name!r} returned {found} (allowed: Outcome(genotype, details))")
        for key, value in outcome.details.items():
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise Refused(f"method {self.name!r}: details[{key!r}] is not JSON data ({error})") from error

    @property
    def code(self) -> str | None:
        """A hash of the module of its settings, to tell whether it was edited; None if its source is not there."""
        try:
            return sha256(inspect.getsource(sys.modules[self.settings.__module__]).encode()).hexdigest()[:12]
        except (OSError, TypeError):
            return None

    def asks(self, settings: Any) -> Kinds:
        """The kinds of question that a search with ``settings`` asks."""
        return self.needs(settings) if callable(self.needs) else self.needs

    def defaults(self, profile: str, task: str) -> dict[str, Any]:
        """The settings of this method for a profile (``paper``, ``laptop``, ...) and a task (``image``, ``text``)."""
        values = {f.name: f.default for f in dataclasses.fields(self.settings)}
        for layer in (task, profile, f"{profile}/{task}"):
            values |= self.sizes.get(layer, {})
        return values


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


class NotRegistered(Refused, LookupError):
    """A module that was said to register a method does not."""


class Methods(MutableMapping[str, Method]):
    """Methods by name, sorted; the module of one that was offered is imported when it is asked for."""

    def __init__(self) -> None:
        self._homes: dict[str, str] = {}
        self._known: dict[str, Method] = {}

    def offer(self, **modules: str) -> None:
        """Say which module registers the method of each name."""
        self._homes |= modules

    def __getitem__(self, name: str) -> Method:
        if name not in self._known and name in self._homes:
            import_module(self._homes[name])
            if name not in self._known:
                raise NotRegistered(f"{self._homes[name]} registers no method {name!r}, which is offered there")
        return self._known[name]

    def __setitem__(self, name: str, method: Method) -> None:
        self._known[name] = method

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._homes, *self._known}))

    def __len__(self) -> int:
        return len({*self._homes, *self._known})

    def is_registered(self, name: str) -> bool:
        """Whether a module has registered the method, offered or not."""
        return name in self._known


METHODS = Methods()


def register(method: Method) -> Method:
    """Add a method.

    Raises:
        ValueError: the name is taken.
    """
    if METHODS.is_registered(method.name):
        raise ValueError(f"method {method.name!r} is registered twice")
    METHODS[method.name] = method
    return method


def _absent(name: str) -> str:
    """What to say of a method that is not there, or is there and was not offered."""
    if name.isidentifier() and find_spec(f"baselines.{name}"):
        return f"method {name!r}: baselines/{name}.py is not offered in baselines/__init__.py"
    return unknown("method", name, METHODS)


def method(name: str) -> Method:
    """The method called ``name``.

    Raises:
        ValueError: no such method.
    """
    if name not in METHODS:
        raise ValueError(_absent(name))
    return METHODS[name]

"""What is timed: the models on which speed was promised, and the ratios that were."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.simulate import DataSet, crossed, nested, ratings, reference, removed, slopes

_SLEEP = "Reaction ~ Days + (Days | Subject)"
_INSTEVAL = reference("insteval", "s", "d", "studage", "lectage", "service", "dept")
_SLEEPSTUDY = reference("sleepstudy", "Subject")
_PENICILLIN = reference("penicillin", "plate", "sample")
_PASTES = reference("pastes", "batch", "cask")
_CROSSED = crossed(100_000, 2_000, 500)
_CROSSED_FORMULA = "y ~ x + (x | subj) + (1 | item)"
_NESTED_FORMULA = "y ~ x + (1 | region/clinic/patient)"


@dataclass(frozen=True, slots=True)
class Case:
    """One model on one data set, and what is timed of it.

    Attributes
    ----------
    name : str, unique.
    mode : the command that the engines are given: ``fit`` (formula to result), ``matrices`` (the
        fit alone), ``table`` (Satterthwaite's table, given a fit) or ``many`` (1000 responses).
    data, formula : DataSet and str.
    repeats : int, how often each engine is timed.
    peers : names of the engines beside mmfit that can do it.
    goals : peer -> how many times faster than it mmfit is to be.
    tight : whether lme4 also searches with tolerances near rounding (untimed).
    heavy : only run when asked for; more than lme4 should be asked to do.
    """

    name: str
    mode: str
    data: DataSet
    formula: str
    repeats: int
    peers: tuple[str, ...] = ("lme4", "mixedlm")
    goals: Mapping[str, float] = field(default_factory=dict)
    tight: bool = True
    heavy: bool = False


RESPONSES = 1000

_SMALL = {"lme4": 4, "mixedlm": 0.8}
_WITH_STATSMODELS = ("lme4", "mixedlm", "statsmodels")

CASES = (
    Case("sleepstudy", "fit", _SLEEPSTUDY, _SLEEP, 25, _WITH_STATSMODELS, _SMALL),
    Case(
        "Penicillin",
        "fit",
        _PENICILLIN,
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        25,
        goals=_SMALL,
    ),
    Case("Pastes", "fit", _PASTES, "strength ~ 1 + (1 | batch/cask)", 25, goals=_SMALL),
    Case("sleepstudy, prepared", "matrices", _SLEEPSTUDY, _SLEEP, 25, ("lme4",), goals={"lme4": 8}),
    Case(
        "Penicillin, prepared",
        "matrices",
        _PENICILLIN,
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        25,
        ("lme4",),
        goals={"lme4": 8},
    ),
    Case(
        "Pastes, prepared",
        "matrices",
        _PASTES,
        "strength ~ 1 + (1 | batch/cask)",
        25,
        ("lme4",),
        goals={"lme4": 8},
    ),
    Case(
        "InstEval 1",
        "fit",
        _INSTEVAL,
        "y ~ 1 + (1 | s) + (1 | d) + (1 | dept:service)",
        5,
        goals={"lme4": 8, "mixedlm": 4},
    ),
    Case("InstEval 2", "fit", _INSTEVAL, "y ~ service + (1 | s) + (1 | d) + (1 | dept)", 3),
    Case("InstEval 3", "fit", _INSTEVAL, "y ~ service * dept + (1 | s) + (1 | d)", 3),
    Case(
        "crossed 100k",
        "fit",
        _CROSSED,
        _CROSSED_FORMULA,
        5,
        goals={"lme4": 10, "mixedlm": 4},
        tight=False,
    ),
    Case(
        "nested 1M",
        "fit",
        nested(1_000_000, 10, 1_000, 100_000),
        _NESTED_FORMULA,
        3,
        goals={"lme4": 200, "mixedlm": 20},
        tight=False,
    ),
    Case(
        "5 x 5 covariance",
        "fit",
        slopes(10_000, 500, 4),
        "y ~ x1 + x2 + x3 + x4 + (x1 + x2 + x3 + x4 | g)",
        5,
        _WITH_STATSMODELS,
        {"lme4": 50, "mixedlm": 1},
    ),
    Case("table, sleepstudy", "table", _SLEEPSTUDY, _SLEEP, 25, goals={"lme4": 20}),
    Case(
        "table, crossed 100k",
        "table",
        _CROSSED,
        _CROSSED_FORMULA,
        3,
        goals={"lme4": 30, "mixedlm": 5},
        tight=False,
    ),
    Case("refits, balanced", "many", _SLEEPSTUDY, _SLEEP, 5, ("lme4",), {"lme4": 500}),
    Case(
        "refits, rows removed",
        "many",
        removed(_SLEEPSTUDY, 30),
        _SLEEP,
        5,
        ("lme4",),
        {"lme4": 100},
    ),
    Case(
        "nested 10M",
        "fit",
        nested(10_000_000, 10, 1_000, 1_000_000),
        _NESTED_FORMULA,
        1,
        (),
        heavy=True,
    ),
    Case(
        "sparse tail",
        "fit",
        ratings(20_000, 4_000, 100, 8),
        "y ~ service + (1 | s) + (1 | d)",
        3,
        (),
        heavy=True,
    ),
)

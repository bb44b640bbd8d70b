"""What is timed: the models on which speed was promised."""

from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent.parent / "tests" / "reference" / "data"


@dataclass(frozen=True, slots=True)
class Case:
    """One model on one data set.

    Attributes
    ----------
    name, data, formula : str;  categorical : tuple of str;  repeats : int, timed fits.
    """

    name: str
    data: str
    formula: str
    categorical: tuple[str, ...]
    repeats: int

    @property
    def path(self) -> Path:
        return next(DATA.glob(f"{self.data}.csv*"))


_INSTEVAL = ("s", "d", "studage", "lectage", "service", "dept")

CASES = (
    Case("sleepstudy", "sleepstudy", "Reaction ~ Days + (Days | Subject)", ("Subject",), 25),
    Case(
        "Penicillin",
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        ("plate", "sample"),
        25,
    ),
    Case("Pastes", "pastes", "strength ~ 1 + (1 | batch/cask)", ("batch", "cask"), 25),
    Case("InstEval 1", "insteval", "y ~ 1 + (1 | s) + (1 | d) + (1 | dept:service)", _INSTEVAL, 5),
    Case("InstEval 2", "insteval", "y ~ service + (1 | s) + (1 | d) + (1 | dept)", _INSTEVAL, 5),
    Case("InstEval 3", "insteval", "y ~ service * dept + (1 | s) + (1 | d)", _INSTEVAL, 5),
)

"""Random designs at length, against the oracle: how many end where.

usage: python -m tests.fuzz FIRST LAST [--rows N]

Prints every design that does not end in the lowest minimum, by its seed, and the counts; exits
with 1 where a fit says converged above it.
"""

import argparse
import warnings
from collections import Counter

from tests.oracle.trial import trials

# What is nobody's fault: the design or the criterion's lack of a minimum.
_QUIET = ("same", "below", "refused", "no minimum")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("last", type=int, help="the seed after the last")
    parser.add_argument("--rows", type=int, default=40, help="at most so many rows")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for trial in trials(range(arguments.first, arguments.last), arguments.rows):
            name = f"{trial.outcome}, saturated" if trial.saturated else trial.outcome
            counts[name] += 1
            if trial.outcome not in _QUIET:
                print(trial, flush=True)
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")
    return int(counts["above"] > 0 or counts["error"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())

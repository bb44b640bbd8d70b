"""Entry point: parse the command line, run one command, turn errors into messages and exit codes.

Exit codes: 0 done, 1 a computation failed on good input, 2 bad input (also a wrong command line and
files that cannot be read or written), 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from mmfit.cli.parser import build_parser
from mmfit.errors import MmfitError


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mmfit`` with these arguments (default: those of the process); return the exit code.

    Bad input gives one message on stderr and no traceback; a traceback is a bug of mmfit.
    """
    args = build_parser().parse_args(argv)
    try:
        args.command(args)
        sys.stdout.flush()
    except MmfitError as error:
        return _fail(str(error), getattr(error, "__notes__", ()), error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (`mmfit schema | head`). What is left in the buffer has
        # nowhere to go, and the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", (), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", (), 130)
    return 0


def _fail(message: str, notes: Sequence[str], code: int) -> int:
    print(f"mmfit: error: {message}", *notes, sep="\n", file=sys.stderr)
    return code

"""The console script ``mmfit``: one subcommand per stage, and ``run`` for all of them."""

from mmfit.cli.console import main

__all__ = ["main"]

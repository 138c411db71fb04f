"""The `dispatcher` command."""

from dispatcher.cli.app import main

__all__ = ["main"]

"""`python -m dispatcher.cli`: the same as `dispatcher`."""

from dispatcher.cli.app import main

main()

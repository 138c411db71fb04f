"""One module for each command of `dispatcher`."""

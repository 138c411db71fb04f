"""How fast it is, measured against the typical design and the floor in the same run: `make bench`."""

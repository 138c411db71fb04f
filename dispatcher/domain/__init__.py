"""The rules: values in, values out. Nothing here does I/O or reads the clock."""

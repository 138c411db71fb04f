"""The rules: values in, values out. Nothing here does I/O or asks for the time."""

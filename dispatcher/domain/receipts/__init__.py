"""The effect of a receipt on its message."""

"""`dispatcher doctor`: its checks, their findings, and advice."""

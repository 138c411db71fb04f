"""Attacks on the doors of the API, while a good client sends."""

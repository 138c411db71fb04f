"""Postgres: takes a connection, returns domain values, never commits."""

"""Use cases: routes, providers and overrides."""

"""Use cases: routes, provider state and overrides."""

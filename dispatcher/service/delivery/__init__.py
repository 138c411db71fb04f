"""Use cases: from a lane to a provider and back."""

"""An asynchronous SMS dispatcher: windows, priority tiers, five HTTP dialects, any provider."""

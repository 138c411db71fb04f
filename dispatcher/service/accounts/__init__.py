"""Use cases: accounts, credentials, credits, senders, opt-outs and allowed hours."""

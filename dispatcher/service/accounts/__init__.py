"""Use cases: accounts, credentials, tokens, credits, senders, opt-outs and allowed hours."""

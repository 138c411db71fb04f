"""Commands: accounts and what belongs to them."""

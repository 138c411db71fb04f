"""Commands on accounts and what belongs to them."""

"""Management endpoints: accounts and what belongs to them."""

"""The pages for developers, checked by following them."""

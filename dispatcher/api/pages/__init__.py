"""The pages of the API, and the headers that protect them and all other responses."""

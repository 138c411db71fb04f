"""A whole stack on one machine without set-up: embedded servers, supervised processes, and the first run."""

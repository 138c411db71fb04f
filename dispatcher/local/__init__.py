"""One machine without set-up: embedded servers, a supervised stack, and its first run."""

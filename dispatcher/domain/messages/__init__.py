"""Messages as values: submission, status, window, text, price, and the result of an edit."""

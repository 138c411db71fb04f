"""What a request may cost: bodies and logins, before and after it is known who asks."""

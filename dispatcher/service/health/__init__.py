"""What stops or delays messages: findings, each with what mends it, for `/readyz` and `dispatcher doctor`."""

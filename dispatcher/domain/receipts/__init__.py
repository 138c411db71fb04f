"""What a receipt makes of its message."""

"""Messages from handsets: addresses and keywords."""

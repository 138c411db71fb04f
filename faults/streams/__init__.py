"""The streams of the load, a module for each dialect; each writes what it asks and is answered."""

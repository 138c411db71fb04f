"""The load: a module for each stream of messages, their client, and the receiver of callbacks."""

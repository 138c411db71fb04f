"""Redis and Celery: they say when to look at a message. Its state is in Postgres."""

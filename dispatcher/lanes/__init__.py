"""Redis and Celery: when to look. The truth is in Postgres."""

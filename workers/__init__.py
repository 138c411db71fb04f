"""The worker processes: the Celery application, its tasks, beat's schedule, and the thread of the loop."""

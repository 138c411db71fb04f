"""The processes behind the lanes: Celery application, tasks, beat's schedule, the loop's thread."""

"""
Send from Python, without HTTP: a blocking client of the same use cases.

One thread runs an event loop with the database pool. It starts at the first
call of each process, so a `Dispatcher` made before a fork (gunicorn's preload,
Celery's prefork) works in every child.
"""

from dispatcher.producer.campaign import Campaign, Progress
from dispatcher.producer.client import Dispatcher

__all__ = ["Campaign", "Dispatcher", "Progress"]

"""
Enqueue from Python, without HTTP: a blocking client of the same use cases.

Behind it one thread runs an event loop with the database pool. It is made at
the first call of each process, so a `Dispatcher` made before a fork
(gunicorn's preload, Celery's prefork) serves in every child.
"""

from dispatcher.producer.campaign import Campaign, Progress
from dispatcher.producer.client import Dispatcher

__all__ = ["Campaign", "Dispatcher", "Progress"]

"""
The Celery application of beat and of Flower, `celery -A workers.broker`.

They need the broker, and get no other secret: no database, no providers. `workers.app` adds what a worker
needs.
"""

from celery.signals import setup_logging

from dispatcher.bootstrap import celery_app, configure_logging
from dispatcher.settings import load_broker_settings
from workers.schedule import beat_schedule

_settings = load_broker_settings()
app = celery_app(_settings)
app.conf.beat_schedule = beat_schedule()


@setup_logging.connect
def configure_logs(**_: object) -> None:
    """Write Celery's log lines in our format. Celery configures no logging if this signal has a receiver."""
    configure_logging(_settings)

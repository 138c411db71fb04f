"""A Django backend that sends in its transactions: `python -m tests.producer.django_backend PORT`."""

import os
import signal
import sys
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from sqlalchemy.engine import make_url

from dispatcher import Dispatcher
from dispatcher.domain.errors import DispatchError

sms = Dispatcher.from_env(account="demo")


def place_order(request: HttpRequest) -> HttpResponse:
    """Place an order and send a message; `then` is what happens next."""
    then, tier = request.GET["then"], request.GET["tier"]
    if then == "autocommit":
        try:
            sms.send("+254712345678", "Order", connection=connection)
        except DispatchError as error:
            return HttpResponse(str(error), status=409)
    with transaction.atomic():
        if then == "kill":
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders (note) VALUES (%s)", [tier])
            batch = sms.send(
                "+254712345678",
                f"{tier} {then}",
                tier=tier,
                connection=cursor if then == "cursor" else connection,
            )
        if then == "rollback":
            raise LookupError("the view fails after it has sent")
    return JsonResponse({"message": batch.messages[0].id})


def main(port: int) -> None:
    """Serve until killed."""
    url = make_url(os.environ["DATABASE_URL"])
    settings.configure(
        SECRET_KEY="for tests",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        USE_TZ=False,  # psycopg then reads times without a zone, on Django's connections
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.database,
                "USER": url.username,
                "PASSWORD": url.password or "",
                "HOST": url.query.get("host") or url.host,
                "PORT": url.query.get("port") or url.port or "",
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()
    make_server("127.0.0.1", port, WSGIHandler()).serve_forever()


urlpatterns = [path("orders", place_order)]

if __name__ == "__main__":
    sys.modules["tests.producer.django_backend"] = sys.modules["__main__"]
    main(int(sys.argv[1]))

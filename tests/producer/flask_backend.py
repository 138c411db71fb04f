"""A Flask backend that sends in its transactions: `python -m tests.producer.flask_backend PORT`."""

import os
import signal
import sys
from wsgiref.simple_server import make_server

from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, text

from dispatcher import Dispatcher
from dispatcher.store.database_url import sqlalchemy_url

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = sqlalchemy_url(os.environ["DATABASE_URL"])
db = SQLAlchemy(app)
sms = Dispatcher.from_env(account="demo")


@app.get("/orders")
def place_order() -> dict[str, int]:
    """Place an order and send a message; `then` is what happens next."""
    then, tier = request.args["then"], request.args["tier"]
    if then == "kill":
        event.listen(db.session, "after_commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    db.session.execute(text("INSERT INTO orders (note) VALUES (:note)"), {"note": tier})
    batch = sms.send("+254712345678", f"{tier} {then}", tier=tier, connection=db.session)
    if then == "rollback":
        raise LookupError("the view fails after it has sent")
    db.session.commit()
    return {"message": batch.messages[0].id}


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()

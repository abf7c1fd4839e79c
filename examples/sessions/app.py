"""A shop's basket, kept in a session that is in the server. Usage: flask --app app run"""

import datetime
import os

import flask
import flask_session
import redis


def create_app(url=None):
    app = flask.Flask(__name__)
    app.config.update(
        SESSION_TYPE="redis",
        SESSION_REDIS=redis.Redis.from_url(url or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")),
        SESSION_KEY_PREFIX="session:",
        PERMANENT_SESSION_LIFETIME=datetime.timedelta(days=31),
    )
    flask_session.Session(app)

    @app.post("/basket/<item>")
    def put(item):
        flask.session["basket"] = [*flask.session.get("basket", []), item]
        return basket()

    @app.get("/basket")
    def basket():
        return flask.session.get("basket", [])

    @app.post("/leave")
    def leave():
        flask.session.clear()
        return basket()

    return app

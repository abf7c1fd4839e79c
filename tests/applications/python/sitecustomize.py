"""Sends what would go to the usual port of this machine, socket or sentinel to those under test. The suites of applications
name them in many places; Python imports this module before any of them, in their child processes too."""

import os

PORT = int(os.environ.get("COPAL_PORT", "6379"))


def redirect_port(connection_class):
    original = connection_class.__init__

    def init(self, *args, **options):
        if len(args) < 2:
            wanted = int(options.get("port") or 6379)
            if wanted == 6379:
                options["port"] = PORT
            elif wanted == 26379:
                options["port"] = int(os.environ.get("COPAL_SENTINEL_PORT", "26379"))
        original(self, *args, **options)

    connection_class.__init__ = init


def redirect_path(connection_class):
    original = connection_class.__init__

    def init(self, path="", **options):
        if path == "/tmp/redis.sock":
            path = os.environ.get("COPAL_SOCKET", path)
        original(self, path=path, **options)

    connection_class.__init__ = init


try:
    from redis import connection as sync_connection
    from redis.asyncio import connection as async_connection
except ImportError:
    pass
else:
    redirect_port(sync_connection.Connection)
    redirect_port(async_connection.Connection)
    redirect_path(sync_connection.UnixDomainSocketConnection)

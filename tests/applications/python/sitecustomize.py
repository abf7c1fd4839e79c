"""Sends what would go to the usual port, 6379 of this machine, to the server under test. The suites of applications name
that port in many places; Python imports this module before any of them, in their child processes too."""

import os

PORT = int(os.environ.get("COPAL_PORT", "6379"))

try:
    from redis import connection as sync_connection
    from redis.asyncio import connection as async_connection
except ImportError:
    pass
else:

    def redirect(connection_class):
        original = connection_class.__init__

        def init(self, *args, **options):
            if len(args) < 2 and int(options.get("port") or 6379) == 6379:
                options["port"] = PORT
            original(self, *args, **options)

        connection_class.__init__ = init

    redirect(sync_connection.Connection)
    redirect(async_connection.Connection)

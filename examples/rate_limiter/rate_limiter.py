"""Limits how often something is done, over all processes that share a server."""

import pathlib

SCRIPT = pathlib.Path(__file__).with_name("limit.lua").read_text()


class RateLimiter:
    def __init__(self, client, burst, per_second):
        self.burst, self.per_second = burst, per_second
        # Sends the script's digest, and the script itself only to a server that does not have it, as after a restart.
        self.script = client.register_script(SCRIPT)

    def wait_ms(self, name, now_ms=None):
        """0 if it may be done now, which counts; else in how many milliseconds to ask again."""
        arguments = [self.burst, self.per_second] + ([] if now_ms is None else [now_ms])
        return self.script(keys=[f"limit:{name}"], args=arguments)

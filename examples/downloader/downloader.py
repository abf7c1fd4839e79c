"""Downloads addresses, none of them twice, and no more than a quota a day. Processes may share the work.

Usage: python downloader.py FOLDER < ADDRESSES
The server is that of REDIS_URL, by default redis://127.0.0.1:6379/0. The day is that of the machine's time zone.
"""

import datetime
import hashlib
import os
import pathlib
import sys
import urllib.request

import redis

# Asks for an address, in one step: 'known', 'quota', or 'go', which counts it. The record of the day goes away at its end.
ASK = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 'known' end
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[2]) then return 'quota' end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('INCR', KEYS[2])
redis.call('EXPIREAT', KEYS[2], ARGV[3])
return 'go'
"""

RECORD = "downloads:record"


class Downloader:
    def __init__(self, client, fetch, quota=1000, now=datetime.datetime.now):
        """`fetch` is given an address; `now` says what time it is."""
        self.client, self.fetch, self.quota, self.now = client, fetch, quota, now
        self.ask = client.register_script(ASK)

    def download(self, address):
        """Downloads an address, unless it is known or the quota of the day is used up; says which."""
        today = self.now().date()
        count = f"downloads:count:{today}"
        midnight = datetime.datetime.combine(today + datetime.timedelta(days=1), datetime.time())
        answer = self.ask(keys=[RECORD, count], args=[address, self.quota, int(midnight.timestamp())])
        answer = answer.decode() if isinstance(answer, bytes) else answer
        if answer == "go":
            try:
                self.fetch(address)
            except BaseException:
                # It comes again, and today's quota still has the room.
                with self.client.pipeline(transaction=True) as pipe:
                    pipe.srem(RECORD, address).decr(count).expireat(count, midnight).execute()
                raise
        return answer


def main():
    folder = pathlib.Path(sys.argv[1])

    def fetch(address):
        name = hashlib.sha256(address.encode()).hexdigest()
        with urllib.request.urlopen(address, timeout=60) as response:
            (folder / name).write_bytes(response.read())

    client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
    downloader = Downloader(client, fetch)
    for address in map(str.strip, sys.stdin):
        print(downloader.download(address), address)


if __name__ == "__main__":
    main()

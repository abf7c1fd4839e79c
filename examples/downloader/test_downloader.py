"""A quota of 1,000 downloads a day, which midnight resets and a crash does not."""

import collections
import concurrent.futures
import datetime
import pathlib
import subprocess
import sys
import tempfile
import unittest

import downloader
from copal import Copal
from downloader import Downloader
from site_of_pages import Site

HERE = pathlib.Path(__file__).parent
# Not today: what is counted for a day is deleted at the end of it.
DAY = datetime.datetime.now().replace(hour=9, minute=0, second=0, microsecond=0) + datetime.timedelta(days=2)
MIDNIGHT = (DAY + datetime.timedelta(days=1)).replace(hour=0)
ADDRESSES = [f"https://example.org/{n}" for n in range(1300)]


class Downloads(unittest.TestCase):
    def setUp(self):
        self.server = Copal()
        self.addCleanup(self.server.close)
        self.fetched = []

    def download(self, addresses, at):
        """Four workers download; how often each answer was given."""
        with self.server.client() as client, concurrent.futures.ThreadPoolExecutor(4) as pool:
            worker = Downloader(client, self.fetched.append, now=lambda: at)
            return collections.Counter(pool.map(worker.download, addresses))

    def test_the_quota_holds_until_midnight(self):
        self.assertEqual(self.download(ADDRESSES, DAY), {"go": 1000, "quota": 300})
        self.assertEqual(len(set(self.fetched)), 1000)
        with self.server.client() as client:
            self.assertEqual(client.expiretime(f"downloads:count:{DAY.date()}"), int(MIDNIGHT.timestamp()))
        left = [address for address in ADDRESSES if address not in self.fetched]
        self.assertEqual(self.download(left, MIDNIGHT - datetime.timedelta(seconds=1)), {"quota": 300})
        self.assertEqual(self.download(ADDRESSES, MIDNIGHT), {"known": 1000, "go": 300})
        self.assertEqual(sorted(self.fetched), sorted(ADDRESSES))

    def test_a_crash_resets_neither_the_quota_nor_the_record(self):
        self.download(ADDRESSES[:600], DAY)
        self.server.snapshot()
        self.server.crash_and_restart()
        self.assertEqual(self.download(ADDRESSES, DAY), {"known": 600, "go": 400, "quota": 300})

    def test_a_download_that_fails_is_not_counted(self):
        def fail(address):
            raise OSError(address)

        with self.server.client() as client:
            with self.assertRaises(OSError):
                Downloader(client, fail, now=lambda: DAY).download("https://example.org/0")
            self.assertEqual(client.get(f"downloads:count:{DAY.date()}"), b"0")
        self.assertEqual(self.download(ADDRESSES, DAY)["go"], 1000)

    def test_the_program_downloads_pages(self):
        site = Site()
        self.addCleanup(site.close)
        addresses = "".join(f"{site.url}/{page}\n" for page in [1, 2, 1, 3])
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, HERE / "downloader.py", folder], input=addresses, text=True, capture_output=True, check=True,
                env={"REDIS_URL": f"redis://127.0.0.1:{self.server.port}/0"}
            )
            self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["go", "go", "known", "go"])
            self.assertEqual(len(list(pathlib.Path(folder).iterdir())), 3)
        with self.server.client() as client:
            self.assertEqual(client.scard(downloader.RECORD), 3)

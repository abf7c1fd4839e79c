"""Visitors keep their baskets when the server restarts."""

import unittest

from app import create_app
from copal import Copal


class Sessions(unittest.TestCase):
    def setUp(self):
        # With a save rule a stop saves, as it does with the settings of the package.
        self.server = Copal(save="3600 1")
        self.addCleanup(self.server.close)
        self.app = create_app(f"redis://127.0.0.1:{self.server.port}/0")

    def test_baskets_survive_a_restart_of_the_server_and_of_the_application(self):
        anne, bert = self.app.test_client(), self.app.test_client()
        anne.post("/basket/tea")
        self.assertEqual(anne.post("/basket/cups").json, ["tea", "cups"])
        self.assertEqual(bert.post("/basket/soap").json, ["soap"])
        cookie = anne.get_cookie("session").value

        self.server.process.terminate()
        self.assertEqual(self.server.process.wait(timeout=30), 0)
        self.server.start()
        self.assertEqual(anne.get("/basket").json, ["tea", "cups"])
        again = create_app(f"redis://127.0.0.1:{self.server.port}/0").test_client()
        again.set_cookie("session", cookie)
        self.assertEqual(again.get("/basket").json, ["tea", "cups"])
        self.assertEqual(bert.get("/basket").json, ["soap"])
        self.assertEqual(self.app.test_client().get("/basket").json, [])

    def test_baskets_survive_a_kill_after_a_snapshot(self):
        anne = self.app.test_client()
        anne.post("/basket/tea")
        self.server.snapshot()
        self.server.crash_and_restart()
        self.assertEqual(anne.get("/basket").json, ["tea"])

    def test_a_session_expires_and_ends(self):
        anne = self.app.test_client()
        anne.post("/basket/tea")
        with self.server.client() as client:
            [key] = client.keys("session:*")
            self.assertGreater(client.ttl(key), 30 * 24 * 3600)
            anne.post("/leave")
            self.assertEqual(client.keys("session:*"), [])
        self.assertEqual(anne.get("/basket").json, [])

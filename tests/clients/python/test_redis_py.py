"""What a program that uses redis-py leans on, over RESP2 and RESP3."""

import asyncio
import threading
import unittest

import redis
import redis.asyncio

from copal import Copal, eventually


class WithServer(unittest.TestCase):
    protocol = 2

    @classmethod
    def setUpClass(cls):
        cls.server = Copal()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.client = self.connect()
        self.client.flushall()

    def tearDown(self):
        self.client.close()

    def connect(self, **options):
        return self.server.client(protocol=self.protocol, decode_responses=True, **options)


class RedisPy(WithServer):
    def test_every_type_is_read_back_as_it_was_written(self):
        client = self.client
        client.set("text", "grüße", ex=100)
        client.rpush("list", *range(300))
        client.sadd("set", "a", "b", "c")
        client.hset("hash", mapping={"name": "copal", "n": 7})
        client.zadd("zset", {"one": 1, "half": 0.5, "low": float("-inf")})
        self.assertEqual(client.get("text"), "grüße")
        self.assertLessEqual(client.ttl("text"), 100)
        self.assertEqual(client.lrange("list", 0, -1), [str(n) for n in range(300)])
        self.assertEqual(client.smembers("set"), {"a", "b", "c"})
        self.assertEqual(client.hgetall("hash"), {"name": "copal", "n": "7"})
        scores = [("low", float("-inf")), ("half", 0.5), ("one", 1.0)]
        self.assertEqual([tuple(pair) for pair in client.zrange("zset", 0, -1, withscores=True)], scores)
        self.assertEqual({key: client.type(key) for key in client.scan_iter()},
                         {"text": "string", "list": "list", "set": "set", "hash": "hash", "zset": "zset"})

    def test_bits_and_sketches_are_changed_in_place(self):
        client = self.client
        self.assertEqual([client.setbit("days", day, 1) for day in (1, 5, 1)], [0, 0, 1])
        self.assertEqual((client.getbit("days", 5), client.bitcount("days"), client.bitpos("days", 1)), (1, 2, 1))
        self.assertEqual(client.bitcount("days", 2, 7, "BIT"), 1)
        client.setbit("others", 5, 1)
        self.assertEqual((client.bitop("AND", "both", "days", "others"), client.bitcount("both")), (1, 1))
        field = client.bitfield("counters", default_overflow="SAT")
        self.assertEqual(field.set("u8", "#1", 250).incrby("u8", "#1", 9).get("u8", 8).execute(), [0, 255, 255])
        self.assertEqual(client.bitfield_ro("counters", "u8", "#1"), [255])
        self.assertEqual(client.pfadd("visitors", *range(1000)), 1)
        client.pfadd("more", *range(500, 1500))
        self.assertAlmostEqual(client.pfcount("visitors"), 1000, delta=30)
        self.assertTrue(client.pfmerge("all", "visitors", "more"))
        self.assertEqual(client.pfcount("all"), client.pfcount("visitors", "more"))

    def test_streams_are_shared_by_the_consumers_of_a_group(self):
        client = self.client
        ids = [client.xadd("stream", {"n": n}, maxlen=100, approximate=True) for n in range(4)]
        self.assertEqual(client.xrange("stream", count=1), [(ids[0], {"n": "0"})])
        self.assertEqual([id for id, _ in client.xrevrange("stream")], ids[::-1])
        client.xgroup_create("stream", "group", id="0")

        def taken(reply):
            entries = reply["stream"][0] if isinstance(reply, dict) else reply[0][1]
            return [id for id, _ in entries]

        self.assertEqual(taken(client.xreadgroup("group", "anne", {"stream": ">"}, count=3)), ids[:3])
        self.assertEqual(taken(client.xreadgroup("group", "bert", {"stream": ">"}, block=10)), ids[3:])
        self.assertEqual(client.xpending("stream", "group")["pending"], 4)
        self.assertEqual(client.xack("stream", "group", *ids[:2]), 2)
        self.assertEqual(client.xclaim("stream", "group", "bert", 0, [ids[2]], justid=True), [ids[2]])
        self.assertEqual([(row["name"], row["pending"]) for row in client.xinfo_consumers("stream", "group")],
                         [("anne", 0), ("bert", 2)])
        self.assertEqual(client.xautoclaim("stream", "group", "carl", 0, justid=True), ids[2:])
        self.assertEqual(client.xinfo_stream("stream")["length"], 4)

    def test_bytes_survive_unchanged(self):
        with self.server.client(protocol=self.protocol) as client:
            every_byte = bytes(range(256)) * 5
            client.set(b"\x00\xffkey", every_byte)
            self.assertEqual(client.get(b"\x00\xffkey"), every_byte)
            self.assertEqual(client.dump(b"\x00\xffkey")[:1], b"\x00")

    def test_pipeline_answers_in_order(self):
        with self.client.pipeline(transaction=False) as pipe:
            for n in range(2000):
                pipe.set(f"key:{n}", n).get(f"key:{n}")
            answers = pipe.execute()
        self.assertEqual(answers[1::2], [str(n) for n in range(2000)])

    def test_watched_key_that_changes_undoes_the_transaction(self):
        self.client.set("stock", 5)
        with self.client.pipeline() as pipe, self.connect() as other:
            pipe.watch("stock")
            left = int(pipe.get("stock"))
            other.set("stock", 4)
            pipe.multi()
            pipe.set("stock", left - 1)
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(self.client.get("stock"), "4")

    def test_transaction_helper_retries_until_it_gets_through(self):
        self.client.set("counter", 0)

        def count():
            with self.connect() as client:
                for _ in range(50):
                    client.transaction(
                        lambda pipe: (lambda seen: (pipe.multi(), pipe.set("counter", seen + 1)))(int(pipe.get("counter"))),
                        "counter",
                    )

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client.get("counter"), "200")

    def test_blocked_pop_is_served_by_a_push(self):
        served = []

        def wait():
            with self.connect() as client:
                served.append(client.blpop(["first", "second"], timeout=20))

        thread = threading.Thread(target=wait)
        thread.start()
        eventually(lambda: self.client.info("clients")["blocked_clients"] == 1)
        self.client.rpush("second", "job")
        thread.join()
        self.assertEqual([tuple(pair) for pair in served], [("second", "job")])

    def test_blocked_pop_times_out_with_none(self):
        self.assertIsNone(self.client.brpop("nothing", timeout=0.05))
        self.assertIsNone(self.client.bzpopmin("nothing", timeout=0.05))
        self.assertIsNone(self.client.blmove("nothing", "elsewhere", timeout=0.05))

    def test_subscriber_hears_channels_and_patterns(self):
        subscriber = self.client.pubsub(ignore_subscribe_messages=True)
        subscriber.subscribe("news")
        subscriber.psubscribe("weather.*")
        heard = []
        eventually(lambda: self.client.pubsub_numpat() == 1)
        self.client.publish("news", "one")
        self.client.publish("weather.berlin", "two")
        while len(heard) < 2:
            message = subscriber.get_message(timeout=10)
            if message:
                heard.append((message["type"], message["pattern"], message["channel"], message["data"]))
        subscriber.close()
        self.assertEqual(heard, [("message", None, "news", "one"),
                                 ("pmessage", "weather.*", "weather.berlin", "two")])

    def test_keyspace_events_are_published(self):
        self.client.config_set("notify-keyspace-events", "KEA")
        subscriber = self.client.pubsub(ignore_subscribe_messages=True)
        subscriber.psubscribe("__keyevent@0__:*")
        eventually(lambda: self.client.pubsub_numpat() == 1)
        self.client.set("watched", 1)
        heard = None
        while not heard:
            heard = subscriber.get_message(timeout=10)
        subscriber.close()
        self.client.config_set("notify-keyspace-events", "")
        self.assertEqual((heard["channel"], heard["data"]), ("__keyevent@0__:set", "watched"))

    def test_fields_of_a_hash_expire(self):
        self.client.hset("session", mapping={"token": "x", "user": "y"})
        self.assertEqual(self.client.hpexpire("session", 30, "token"), [1])
        self.assertGreater(self.client.hpttl("session", "token")[0], 0)
        eventually(lambda: not self.client.hexists("session", "token"))
        self.assertEqual(self.client.hgetall("session"), {"user": "y"})

    def test_sort_reads_weights_and_stores(self):
        self.client.rpush("ids", 1, 2, 3)
        self.client.mset({"w_1": 30, "w_2": 10, "w_3": 20, "n_1": "a", "n_2": "b", "n_3": "c"})
        self.assertEqual(self.client.sort("ids", by="w_*", get="n_*"), ["b", "c", "a"])
        self.assertEqual(self.client.sort("ids", desc=True, store="sorted"), 3)
        self.assertEqual(self.client.lrange("sorted", 0, -1), ["3", "2", "1"])

    def test_errors_have_the_classes_that_programs_catch(self):
        self.client.set("text", "x")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE|Operation against a key"):
            self.client.lpush("text", 1)
        with self.assertRaises(redis.ResponseError):
            self.client.execute_command("NOSUCHCOMMAND")

    def test_users_are_made_shown_and_denied(self):
        self.client.acl_setuser("worker", enabled=True, passwords=["+secret"], keys=["job:*"], categories=["+@read"],
                                commands=["+ping"])
        user = self.client.acl_getuser("worker")
        self.assertTrue(user["enabled"])
        self.assertEqual((user["categories"], user["commands"]), (["-@all", "+@read"], ["+ping"]))
        self.assertIn("worker", self.client.acl_users())
        with self.server.client(username="worker", password="secret", protocol=self.protocol) as worker:
            self.assertTrue(worker.ping())
            self.assertIsNone(worker.get("job:1"))
            for denied in [lambda: worker.set("job:1", "x"), lambda: worker.get("other")]:
                with self.assertRaises(redis.exceptions.NoPermissionError):
                    denied()
        self.assertEqual([entry["object"] for entry in self.client.acl_log()][:2], ["other", "set"])
        with self.assertRaises(redis.exceptions.AuthenticationError):
            self.server.client(username="worker", password="wrong").ping()
        self.assertEqual(self.client.acl_deluser("worker"), 1)

    def test_iterators_see_every_element(self):
        self.client.sadd("set", *range(1000))
        self.client.hset("hash", mapping={f"f{n}": n for n in range(1000)})
        self.client.zadd("zset", {f"m{n}": n for n in range(1000)})
        self.assertEqual(len(set(self.client.sscan_iter("set"))), 1000)
        self.assertEqual(len(dict(self.client.hscan_iter("hash"))), 1000)
        self.assertEqual(len(dict(self.client.zscan_iter("zset"))), 1000)
        self.assertEqual(sorted(self.client.hscan_iter("hash", match="f99*", no_values=True)),
                         sorted(f"f{n}" for n in [99, *range(990, 1000)]))

    def test_introspection_is_parsed(self):
        self.client.client_setname("tester")
        self.assertIn("tester", [client["name"] for client in self.client.client_list()])
        self.assertEqual(self.client.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
        self.assertIn("used_memory", self.client.info("memory"))
        self.client.set("measured", "x" * 1000)
        self.assertGreater(self.client.memory_usage("measured"), 1000)
        self.assertGreater(self.client.command_count(), 150)
        self.assertIsInstance(self.client.slowlog_get(), list)

    def test_asyncio_client_works_the_same(self):
        async def talk():
            client = redis.asyncio.Redis(port=self.server.port, protocol=self.protocol, decode_responses=True)
            try:
                answers = await asyncio.gather(*(client.incr("together") for _ in range(100)))
                async with client.pipeline(transaction=True) as pipe:
                    last = await pipe.get("together").delete("together").execute()
                return sorted(answers), last
            finally:
                await client.aclose()

        self.assertEqual(asyncio.run(talk()), (list(range(1, 101)), ["100", 1]))

    def test_data_of_a_snapshot_outlives_a_crash(self):
        self.client.rpush("queue", *range(1000))
        self.client.hset("hash", mapping={"a": 1})
        self.client.zadd("zset", {"m": 1.5})
        self.client.set("session", "x", px=10_000_000)
        self.server.snapshot()
        self.client.set("after", "lost")
        self.server.crash_and_restart()
        self.assertEqual(self.client.lrange("queue", 0, -1), [str(n) for n in range(1000)])
        self.assertEqual(self.client.hgetall("hash"), {"a": "1"})
        self.assertEqual(self.client.zscore("zset", "m"), 1.5)
        self.assertGreater(self.client.pttl("session"), 9_000_000)
        self.assertIsNone(self.client.get("after"))


class RedisPyOverResp3(RedisPy):
    protocol = 3

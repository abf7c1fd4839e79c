"""Keys, arguments and data for a script, by chance from a seed and after what the script's text does with them."""
import json
import re
import struct

# The moment that scripts and their arguments start from, in milliseconds. It is the servers' clock as well.
NOW = 1_900_000_000_000

NUMERIC = re.compile(r"count|max|min|limit|amount|delay|size|start|stop|end|score|rate|capacity|tokens|period|window|ttl|"
                     r"expir|timeout|duration|interval|cost|burst|quantity|attempt|priority|num|index|limit|len|ms\b|sec", re.I)
MOMENT = re.compile(r"time|now|stamp|date|clock", re.I)
WORDS = ["1", "2", "7", "42", "alice", "job:1", "wait", "a b", "0", "x", "p:1", "1:2", "token", "\u00e9\u4e16", "10.5"]
LIBRARIES = {"call", "pcall", "insert", "remove", "concat", "unpack", "pack", "decode", "encode", "sub", "len", "format", "find",
             "match", "gmatch", "gsub", "floor", "ceil", "max", "min", "log", "error_reply", "status_reply", "sort", "byte", "rep"}


def pack(value):
    """MessagePack, as clients write it."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if 0 <= value < 128:
            return bytes([value])
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return (bytes([0xa0 + len(text)]) if len(text) < 32 else b"\xda" + struct.pack(">H", len(text))) + text
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(part) for pair in value.items() for part in pair)


class Shape:
    """What a script's text says about its keys and arguments."""

    def __init__(self, text):
        self.text = text
        self.keys = self.highest("KEYS")
        self.arguments = self.highest("ARGV")
        self.open_keys = re.search(r"#\s*KEYS|(?:unpack|ipairs|pairs)\s*\(\s*KEYS\b", text) is not None
        self.open_arguments = re.search(r"#\s*ARGV|(?:unpack|ipairs|pairs)\s*\(\s*ARGV\b|ARGV\[\w*[A-Za-z]", text) is not None
        self.names = sorted({name for pair in re.findall(r"""\[\s*['"]([\w:-]+)['"]\s*\]|\w\.([A-Za-z_]\w*)""", text)
                             for name in pair if name and name not in LIBRARIES})
        self.quoted = sorted(set(re.findall(r"""['"]([\w:.-]{1,24})['"]""", text)))
        self.kinds = [self.kind(number) for number in range(1, self.arguments + 1)]

    def highest(self, table):
        return min(40, max((int(number) for number in re.findall(table + r"\s*\[\s*(\d+)\s*\]", self.text)), default=0))

    def kind(self, number):
        place = rf"ARGV\s*\[\s*{number}\s*\]"
        alias = re.search(rf"(\w+)\s*=\s*(?:tonumber\s*\(\s*)?{place}", self.text)
        name = alias.group(1) if alias else ""
        either = rf"(?:{place}|\b{name}\b)" if name else place
        for wrapper, library in (("msgpack", "cmsgpack"), ("json", "cjson")):
            if re.search(rf"{library}\.(?:unpack|decode)\s*\(\s*{either}", self.text):
                unpacked = re.search(rf"(\w+)\s*=\s*{library}\.(?:unpack|decode)\s*\(\s*{either}", self.text)
                listed = unpacked and re.search(rf"\b{unpacked.group(1)}\s*\[\s*\d|#\s*{unpacked.group(1)}\b|pairs\s*\(\s*{unpacked.group(1)}\b", self.text)
                return wrapper + ("-list" if listed else "-map")
        if MOMENT.search(name):
            return "moment"
        if re.search(rf"tonumber\s*\(\s*{either}", self.text) or NUMERIC.search(name):
            return "number"
        return "word"


class Generator:
    def __init__(self, shape, chance):
        self.shape, self.chance = shape, chance

    def number(self):
        return self.chance.choice([0, 1, 1, 2, 3, 5, 7, 10, 10, 60, 100, 1000, 3000, -1, 1.5])

    def moment(self):
        ahead = self.chance.choice([0, 0, 1000, 30000, -1000, -60000, 500])
        return (NOW + ahead) if self.chance.random() < 0.75 else (NOW + ahead) // 1000

    def word(self):
        if self.shape.quoted and self.chance.random() < 0.25:
            return self.chance.choice(self.shape.quoted)
        return self.chance.choice(WORDS)

    def plain(self):
        """A value inside of JSON or MessagePack."""
        odd = self.chance.random()
        if odd < 0.12:
            return self.chance.choice([True, False, None])
        return self.chance.choice([self.number, self.moment, self.word, self.word])()

    def mapping(self, depth=0):
        names = self.shape.names or WORDS
        chosen = [name for name in names if self.chance.random() < 0.6][:20] or names[:1]
        return {name: self.inner(depth) for name in chosen}

    def inner(self, depth):
        if depth < 2 and self.chance.random() < 0.08:
            return self.mapping(depth + 1) if self.chance.random() < 0.6 else self.listing(depth + 1)
        return self.plain()

    def listing(self, depth=0):
        return [self.inner(depth) for _ in range(self.chance.choice([0, 1, 3, 8]) if depth else 12)]

    def text(self, kind):
        if kind == "number":
            return self.chance.choice([str(self.number())] * 12 + [""])
        if kind == "moment":
            return str(self.moment())
        if kind == "word":
            return self.chance.choice([self.word, self.word, self.word, lambda: str(self.number()), lambda: str(self.moment()),
                                       lambda: json.dumps(self.mapping()), lambda: ""])()
        form, shape = kind.split("-")
        value = self.listing() if shape == "list" else self.mapping()
        return pack(value) if form == "msgpack" else json.dumps(value)

    def keys(self):
        count = self.shape.keys + (self.chance.randrange(4) if self.shape.open_keys else 0)
        return [f"k:{number}" for number in range(1, count + 1)]

    def arguments(self, manner):
        """`fitting` as the text reads them, or all `numbers`, all `words`, or of any kind."""
        kinds = list(self.shape.kinds)
        if self.shape.open_arguments:
            kinds += [self.chance.choice(["word", "number"])] * self.chance.randrange(7)
        if manner == "numbers":
            kinds = ["number"] * len(kinds)
        elif manner == "words":
            kinds = ["word"] * len(kinds)
        elif manner == "any":
            kinds = [self.chance.choice(["word", "number", "moment", "json-map", "json-list", "msgpack-map", "msgpack-list"]) for _ in kinds]
        return [self.text(kind) for kind in kinds]

    def fill(self, key, kind, hints):
        """The commands that make a key of the type, with the fields and members that a script asked for."""
        chosen = [hint for hint in sorted(hints) if self.chance.random() < 0.8]
        extra = [self.word() for _ in range(self.chance.randrange(1, 4))]
        members = chosen + [word for word in extra if word.encode() not in hints]
        value = lambda: self.chance.choice([self.number, self.moment, self.word, self.word, lambda: json.dumps(self.mapping()), lambda: pack(self.mapping())])()
        if kind == "hash":
            return [["HSET", key, *(part for member in members for part in (member, value()))]]
        if kind == "list":
            return [["RPUSH", key, *(self.word() if self.chance.random() < 0.7 else member for member in members + extra)]]
        if kind == "set":
            # Whole numbers, which both read in one order, or words.
            return [["SADD", key, *([1, 2, 7, 42] if self.chance.random() < 0.6 else members)]]
        if kind == "zset":
            score = self.chance.choice([self.number, self.moment])
            return [["ZADD", key, *(part for member in members for part in (score(), member))]]
        if kind == "stream":
            return [["XADD", key, f"{number + 1}-1", "f", value()] for number in range(3)]
        if kind == "log":
            return [["PFADD", key, *members]]
        made = [["SET", key, value()]]
        if self.chance.random() < 0.3:
            made.append(["PEXPIRE", key, self.chance.choice([500, 5000, 100000])])
        return made

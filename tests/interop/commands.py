"""Every command that writes, with arguments under which it changes something.

A line begins with `~` if it only prepares. Of the other lines each must change the stream. Words in braces are put in by
`run`: {dump} is a serialised value, {other} the port of a third server.
"""
import shlex

from nodes import Error, Wrong, text

TEMPLATES = {
    # These take all data and libraries with them, so they come first.
    "flushall": ["~SET flushall:k v", "FLUSHALL ASYNC", "~SET flushall:k v", "FLUSHALL"],
    "function|flush": ["~FUNCTION LOAD {library}", "FUNCTION FLUSH"],
    "function|load": ["FUNCTION LOAD {library}", "FUNCTION LOAD REPLACE {library}"],
    "function|delete": ["~FUNCTION LOAD {library:deleted}", "FUNCTION DELETE deleted"],
    "function|restore": ["FUNCTION RESTORE {functions} REPLACE", "FUNCTION RESTORE {functions} FLUSH"],
    "flushdb": ["~SELECT 9", "~SET flushdb:k v", "FLUSHDB", "~SET flushdb:k v", "FLUSHDB ASYNC", "~SELECT 0"],
    "append": ["APPEND append:k abc", "APPEND append:k def"],
    "bitfield": ["BITFIELD bitfield:k SET u8 0 200 INCRBY i5 100 1 OVERFLOW SAT INCRBY u4 8 30"],
    "bitop": ["~SET bitop:a abc", "~SET bitop:b xyzt", "BITOP XOR bitop:c bitop:a bitop:b", "BITOP NOT bitop:d bitop:a"],
    "blmove": ["~RPUSH blmove:a 1 2 3", "BLMOVE blmove:a blmove:b LEFT RIGHT 0"],
    "blmpop": ["~RPUSH blmpop:k 1 2 3", "BLMPOP 0 2 blmpop:none blmpop:k LEFT COUNT 2"],
    "blpop": ["~RPUSH blpop:k 1 2", "BLPOP blpop:none blpop:k 0", "BLPOP blpop:k 0"],
    "brpop": ["~RPUSH brpop:k 1 2", "BRPOP brpop:k 0"],
    "brpoplpush": ["~RPUSH brpoplpush:a 1 2", "BRPOPLPUSH brpoplpush:a brpoplpush:b 0"],
    "bzmpop": ["~ZADD bzmpop:k 1 a 2 b 3 c", "BZMPOP 0 1 bzmpop:k MAX COUNT 2"],
    "bzpopmax": ["~ZADD bzpopmax:k 1 a 2 b", "BZPOPMAX bzpopmax:k 0"],
    "bzpopmin": ["~ZADD bzpopmin:k 1 a 2 b", "BZPOPMIN bzpopmin:k 0"],
    "copy": ["~SET copy:a v EX 5000", "COPY copy:a copy:b", "COPY copy:a copy:c DB 4", "COPY copy:a copy:b REPLACE"],
    "decr": ["DECR decr:k"],
    "decrby": ["DECRBY decrby:k 12"],
    "del": ["~MSET del:a 1 del:b 2", "DEL del:a del:none del:b"],
    "delifeq": ["~SET delifeq:k v", "DELIFEQ delifeq:k v"],
    "expire": ["~MSET expire:a 1 expire:b 2", "EXPIRE expire:a 5000", "EXPIRE expire:a 6000 GT", "EXPIRE expire:b -1"],
    "expireat": ["~SET expireat:k v", "EXPIREAT expireat:k 4000000000"],
    "geoadd": ["GEOADD geoadd:k 13.36 38.11 a 15.08 37.5 b", "GEOADD geoadd:k XX CH 13.37 38.11 a"],
    "georadius": ["~GEOADD georadius:k 13.36 38.11 a 15.08 37.5 b", "GEORADIUS georadius:k 15 37 200 km STORE georadius:s",
                  "GEORADIUS georadius:k 15 37 200 km STOREDIST georadius:d"],
    "georadiusbymember": ["~GEOADD georadiusbymember:k 13.36 38.11 a 15.08 37.5 b",
                          "GEORADIUSBYMEMBER georadiusbymember:k a 200 km STORE georadiusbymember:s"],
    "geosearchstore": ["~GEOADD geosearchstore:k 13.36 38.11 a 15.08 37.5 b",
                       "GEOSEARCHSTORE geosearchstore:s geosearchstore:k FROMMEMBER a BYBOX 400 400 km",
                       "GEOSEARCHSTORE geosearchstore:s geosearchstore:k FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST"],
    "getdel": ["~SET getdel:k v", "GETDEL getdel:k"],
    "getex": ["~SET getex:k v", "GETEX getex:k EX 5000", "GETEX getex:k PERSIST", "GETEX getex:k PXAT 4000000000000"],
    "getset": ["GETSET getset:k v", "GETSET getset:k w"],
    "hdel": ["~HSET hdel:k a 1 b 2", "HDEL hdel:k a none"],
    "hexpire": ["~HSET hexpire:k a 1 b 2 c 3", "HEXPIRE hexpire:k 5000 FIELDS 2 a b", "HEXPIRE hexpire:k 0 FIELDS 1 c"],
    "hexpireat": ["~HSET hexpireat:k a 1 b 2", "HEXPIREAT hexpireat:k 4000000000 FIELDS 2 a b"],
    "hgetdel": ["~HSET hgetdel:k a 1 b 2", "HGETDEL hgetdel:k FIELDS 2 a none"],
    "hgetex": ["~HSET hgetex:k a 1 b 2 c 3", "HGETEX hgetex:k EX 5000 FIELDS 2 a b", "HGETEX hgetex:k PERSIST FIELDS 1 a",
               "HGETEX hgetex:k PXAT 4000000000000 FIELDS 1 c"],
    "hincrby": ["HINCRBY hincrby:k f 5"],
    "hincrbyfloat": ["HINCRBYFLOAT hincrbyfloat:k f 0.1", "HINCRBYFLOAT hincrbyfloat:k f 3.0e2"],
    "hmset": ["HMSET hmset:k a 1 b 2"],
    "hpersist": ["~HSET hpersist:k a 1 b 2", "~HEXPIRE hpersist:k 5000 FIELDS 2 a b", "HPERSIST hpersist:k FIELDS 1 a"],
    "hpexpire": ["~HSET hpexpire:k a 1 b 2", "HPEXPIRE hpexpire:k 5000000 FIELDS 1 a"],
    "hpexpireat": ["~HSET hpexpireat:k a 1 b 2", "HPEXPIREAT hpexpireat:k 4000000000000 FIELDS 1 a"],
    "hset": ["HSET hset:k a 1 b 2", "HSET hset:k a 3"],
    "hsetex": ["HSETEX hsetex:k EX 5000 FIELDS 2 a 1 b 2", "HSETEX hsetex:k FXX KEEPTTL FIELDS 1 a 2",
               "HSETEX hsetex:k PXAT 4000000000000 FIELDS 1 c 3", "HSETEX hsetex:k FIELDS 1 b 4"],
    "hsetnx": ["HSETNX hsetnx:k f v"],
    "incr": ["INCR incr:k"],
    "incrby": ["INCRBY incrby:k 12"],
    "incrbyfloat": ["INCRBYFLOAT incrbyfloat:k 0.1", "INCRBYFLOAT incrbyfloat:k 5.0e3"],
    "linsert": ["~RPUSH linsert:k a b", "LINSERT linsert:k BEFORE b x"],
    "lmove": ["~RPUSH lmove:a 1 2", "LMOVE lmove:a lmove:b RIGHT LEFT", "LMOVE lmove:a lmove:a LEFT RIGHT"],
    "lmpop": ["~RPUSH lmpop:k 1 2 3", "LMPOP 2 lmpop:none lmpop:k RIGHT COUNT 2"],
    "lpop": ["~RPUSH lpop:k 1 2 3 4", "LPOP lpop:k", "LPOP lpop:k 2"],
    "lpush": ["LPUSH lpush:k a b c"],
    "lpushx": ["~LPUSH lpushx:k a", "LPUSHX lpushx:k b c"],
    "lrem": ["~RPUSH lrem:k a b a c a", "LREM lrem:k -2 a"],
    "lset": ["~RPUSH lset:k a b", "LSET lset:k -1 x"],
    "ltrim": ["~RPUSH ltrim:k a b c d", "LTRIM ltrim:k 1 2", "LTRIM ltrim:k 5 6"],
    "migrate": ["~SET migrate:k v", "~RPUSH migrate:l 1 2", "MIGRATE 127.0.0.1 {other} migrate:k 0 5000 REPLACE",
                "MIGRATE 127.0.0.1 {other} '' 0 5000 REPLACE KEYS migrate:l"],
    "move": ["~SET move:k v EX 5000", "MOVE move:k 5"],
    "mset": ["MSET mset:a 1 mset:b 2"],
    "msetex": ["MSETEX 2 msetex:a 1 msetex:b 2 EX 5000", "MSETEX 1 msetex:a 3 XX KEEPTTL"],
    "msetnx": ["MSETNX msetnx:a 1 msetnx:b 2"],
    "persist": ["~SET persist:k v EX 5000", "PERSIST persist:k"],
    "pexpire": ["~SET pexpire:k v", "PEXPIRE pexpire:k 5000000"],
    "pexpireat": ["~SET pexpireat:k v", "PEXPIREAT pexpireat:k 4000000000000"],
    "pfadd": ["PFADD pfadd:k a b c", "PFADD pfadd:empty"],
    # It shows registers, and makes the value dense for that, which is no change of what it holds.
    "pfdebug": ["~PFADD pfdebug:k a b", "~PFDEBUG GETREG pfdebug:k"],
    "pfmerge": ["~PFADD pfmerge:a a b", "~PFADD pfmerge:b c", "PFMERGE pfmerge:c pfmerge:a pfmerge:b"],
    "psetex": ["PSETEX psetex:k 5000000 v"],
    "rename": ["~SET rename:a v EX 5000", "RENAME rename:a rename:b"],
    "renamenx": ["~SET renamenx:a v", "RENAMENX renamenx:a renamenx:b"],
    "restore": ["RESTORE restore:k 0 {dump}", "RESTORE restore:k 5000000 {dump} REPLACE",
                "RESTORE restore:k 4000000000000 {dump} REPLACE ABSTTL IDLETIME 10"],
    "restore-asking": ["RESTORE-ASKING restore-asking:k 0 {dump}"],
    "rpop": ["~RPUSH rpop:k 1 2 3 4", "RPOP rpop:k", "RPOP rpop:k 2"],
    "rpoplpush": ["~RPUSH rpoplpush:a 1 2", "RPOPLPUSH rpoplpush:a rpoplpush:b"],
    "rpush": ["RPUSH rpush:k a b c"],
    "rpushx": ["~RPUSH rpushx:k a", "RPUSHX rpushx:k b c"],
    "sadd": ["SADD sadd:k a b c"],
    "sdiffstore": ["~SADD sdiffstore:a 1 2 3", "~SADD sdiffstore:b 2", "SDIFFSTORE sdiffstore:c sdiffstore:a sdiffstore:b"],
    "set": ["SET set:k v", "SET set:k w EX 5000", "SET set:k x KEEPTTL", "SET set:k y GET", "SET set:k z XX PXAT 4000000000000",
            "SET set:n v NX PX 5000000"],
    "setbit": ["SETBIT setbit:k 1000 1"],
    "setex": ["SETEX setex:k 5000 v"],
    "setnx": ["SETNX setnx:k v"],
    "setrange": ["SETRANGE setrange:k 10 abc"],
    "sinterstore": ["~SADD sinterstore:a 1 2 3", "~SADD sinterstore:b 2", "SINTERSTORE sinterstore:c sinterstore:a sinterstore:b"],
    "smove": ["~SADD smove:a 1 2", "SMOVE smove:a smove:b 1"],
    "sort": ["~RPUSH sort:k 3 1 2", "SORT sort:k DESC STORE sort:s"],
    "spop": ["~SADD spop:k 1 2 3 4 5 6 7 8 9", "SPOP spop:k", "SPOP spop:k 3", "SPOP spop:k 100"],
    "srem": ["~SADD srem:k a b c", "SREM srem:k a none b"],
    "sunionstore": ["~SADD sunionstore:a 1 2", "~SADD sunionstore:b 3", "SUNIONSTORE sunionstore:c sunionstore:a sunionstore:b"],
    "swapdb": ["~SELECT 6", "~SET swapdb:k v", "~SELECT 0", "SWAPDB 6 7"],
    "unlink": ["~MSET unlink:a 1 unlink:b 2", "UNLINK unlink:a unlink:b"],
    "xack": ["~XADD xack:k 1-1 f v", "~XGROUP CREATE xack:k g 0", "~XREADGROUP GROUP g c STREAMS xack:k >", "XACK xack:k g 1-1"],
    "xadd": ["XADD xadd:k * f v", "XADD xadd:k MAXLEN ~ 100 * f v", "XADD xadd:k 99999999999999-* f v g w",
             "XADD xadd:k MINID ~ 5 LIMIT 10 * f v"],
    "xautoclaim": ["~XADD xautoclaim:k 1-1 f v", "~XADD xautoclaim:k 2-1 f v", "~XGROUP CREATE xautoclaim:k g 0",
                   "~XREADGROUP GROUP g c STREAMS xautoclaim:k >", "~XDEL xautoclaim:k 2-1", "XAUTOCLAIM xautoclaim:k g d 0 0"],
    "xclaim": ["~XADD xclaim:k 1-1 f v", "~XGROUP CREATE xclaim:k g 0", "~XREADGROUP GROUP g c STREAMS xclaim:k >",
               "XCLAIM xclaim:k g d 0 1-1", "XCLAIM xclaim:k g e 0 1-1 IDLE 1000 RETRYCOUNT 7 FORCE JUSTID LASTID 1-1"],
    "xdel": ["~XADD xdel:k 1-1 f v", "~XADD xdel:k 2-1 f v", "XDEL xdel:k 1-1 9-9"],
    "xgroup|create": ["XGROUP CREATE xgroup:create g $ MKSTREAM", "XGROUP CREATE xgroup:create h 0 ENTRIESREAD 3"],
    "xgroup|createconsumer": ["~XGROUP CREATE xgroup:createconsumer g $ MKSTREAM", "XGROUP CREATECONSUMER xgroup:createconsumer g c"],
    "xgroup|delconsumer": ["~XADD xgroup:delconsumer 1-1 f v", "~XGROUP CREATE xgroup:delconsumer g 0",
                           "~XREADGROUP GROUP g c STREAMS xgroup:delconsumer >", "XGROUP DELCONSUMER xgroup:delconsumer g c"],
    "xgroup|destroy": ["~XGROUP CREATE xgroup:destroy g $ MKSTREAM", "XGROUP DESTROY xgroup:destroy g"],
    "xgroup|setid": ["~XADD xgroup:setid 1-1 f v", "~XGROUP CREATE xgroup:setid g 0", "XGROUP SETID xgroup:setid g 1-1 ENTRIESREAD 1"],
    "xreadgroup": ["~XADD xreadgroup:k 1-1 f v", "~XADD xreadgroup:k 2-1 f v", "~XGROUP CREATE xreadgroup:k g 0",
                   "XREADGROUP GROUP g c COUNT 1 STREAMS xreadgroup:k >", "XREADGROUP GROUP g n NOACK STREAMS xreadgroup:k >"],
    "xsetid": ["~XADD xsetid:k 1-1 f v", "XSETID xsetid:k 9-9 ENTRIESADDED 7 MAXDELETEDID 8-8"],
    "xtrim": ["~XADD xtrim:k 1-1 f v", "~XADD xtrim:k 2-1 f v", "~XADD xtrim:k 3-1 f v", "XTRIM xtrim:k MAXLEN 2", "XTRIM xtrim:k MINID 3"],
    "zadd": ["ZADD zadd:k 1 a 2.5 b -inf c", "ZADD zadd:k XX CH GT 7 a", "ZADD zadd:k INCR 0.1 b"],
    "zdiffstore": ["~ZADD zdiffstore:a 1 a 2 b", "~ZADD zdiffstore:b 1 a", "ZDIFFSTORE zdiffstore:c 2 zdiffstore:a zdiffstore:b"],
    "zincrby": ["ZINCRBY zincrby:k 0.1 a", "ZINCRBY zincrby:k 5 a"],
    "zinterstore": ["~ZADD zinterstore:a 1 a 2 b", "~ZADD zinterstore:b 1 a",
                    "ZINTERSTORE zinterstore:c 2 zinterstore:a zinterstore:b WEIGHTS 2 3 AGGREGATE MAX"],
    "zmpop": ["~ZADD zmpop:k 1 a 2 b 3 c", "ZMPOP 1 zmpop:k MIN COUNT 2"],
    "zpopmax": ["~ZADD zpopmax:k 1 a 2 b 3 c", "ZPOPMAX zpopmax:k", "ZPOPMAX zpopmax:k 2"],
    "zpopmin": ["~ZADD zpopmin:k 1 a 2 b 3 c", "ZPOPMIN zpopmin:k 2"],
    "zrangestore": ["~ZADD zrangestore:a 1 a 2 b 3 c", "ZRANGESTORE zrangestore:b zrangestore:a (1 3 BYSCORE LIMIT 0 1"],
    "zrem": ["~ZADD zrem:k 1 a 2 b", "ZREM zrem:k a none"],
    "zremrangebylex": ["~ZADD zremrangebylex:k 0 a 0 b 0 c", "ZREMRANGEBYLEX zremrangebylex:k [a (c"],
    "zremrangebyrank": ["~ZADD zremrangebyrank:k 1 a 2 b 3 c", "ZREMRANGEBYRANK zremrangebyrank:k 0 -2"],
    "zremrangebyscore": ["~ZADD zremrangebyscore:k 1 a 2 b 3 c", "ZREMRANGEBYSCORE zremrangebyscore:k -inf (3"],
    "zunionstore": ["~ZADD zunionstore:a 1 a 2 b", "~ZADD zunionstore:b 1 a", "ZUNIONSTORE zunionstore:c 2 zunionstore:a zunionstore:b"],
}

# Commands of a cluster, and of a type of Redis 8 that Copal does not have.
NOT_OURS = {"cluster|flushslot", "VADD", "VREM", "VSETATTR"}

# The keys above whose fields expire.
WITH_EXPIRING_FIELDS = [f"{name}:k" for name in ("hexpire", "hexpireat", "hgetex", "hpersist", "hpexpire", "hpexpireat", "hsetex")]

LIBRARY = "#!lua name=%s\nredis.register_function('%s', function(keys) return redis.call('INCR', keys[1]) end)"


def names(node):
    """The commands of a server that write, one of which has subcommands only."""
    known = node.knows()
    return {name for name, flags in known.items() if "write" in flags} - NOT_OURS


def lines_for(node, known_to):
    """The lines for all commands of a server that write and that the other one knows, with their names."""
    wanted = names(node)
    without = wanted - TEMPLATES.keys()
    if without:
        raise Wrong(f"{node}: there is no template in commands.py for {sorted(without)}")
    known = known_to.knows()
    return [(name, line) for name, lines in TEMPLATES.items() if name in wanted and name in known for line in lines]


def run(node, other, lines):
    """Runs the lines and checks that each changes the stream, unless it only prepares."""
    node.do("SET", "source of a dump", "v" * 100)
    node.do("FUNCTION", "LOAD", "REPLACE", LIBRARY % ("source", "source_of_a_dump"))
    values = {"dump": node.do("DUMP", "source of a dump"), "functions": node.do("FUNCTION", "DUMP"), "other": other.port,
              "library": LIBRARY % ("loaded", "interop_loaded"), "library:deleted": LIBRARY % ("deleted", "interop_deleted")}
    for name, line in lines:
        prepares = line.startswith("~")
        words = [values[word[1:-1]] if word.startswith("{") else word for word in shlex.split(line.lstrip("~"))]
        before = None if prepares else node.number("replication", "master_repl_offset")
        reply = node.ask(*words)
        if isinstance(reply, Error):
            raise Wrong(f"{node}: {line}: {text(reply)}")
        if not prepares and node.number("replication", "master_repl_offset") == before:
            raise Wrong(f"{node}: {name}: the stream has nothing of: {line} (its reply is {reply!r})")
    return sum(not line.startswith("~") for _, line in lines)

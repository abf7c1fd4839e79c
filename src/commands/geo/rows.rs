//! The rows of the geo commands.

use super::{add, read, search};
use crate::commands::framework::{Arity, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec};

const READ: KeySpec = KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS));
const COMPLEXITY_OF_RADIUS: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the \
     circular area delimited by center and radius and M is the number of items inside the index.";
const COMPLEXITY_OF_SEARCH: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area \
     around the shape provided as the filter and M is the number of items inside the shape";
const UNITS_IN_CAPITALS: (&str, &str) = ("7.0.0", "Added support for uppercase unit names.");
const ANY: (&str, &str) = ("6.2.0", "Added the `ANY` option for `COUNT`.");

/// The key behind an option that is looked for from `start_from` on.
const fn stored(keyword: &'static str, start_from: i32) -> KeySpec {
    KeySpec {
        flags: KeyFlags::OW.or(KeyFlags::UPDATE),
        notes: "",
        begin: Begin::Keyword(keyword, start_from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
    }
}

pub const COMMANDS: &[Command] = &[
    Command {
        name: "GEOADD",
        summary: "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        arity: Arity::at_least(5),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
        run: Handler::Write(add::geoadd),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEODIST",
        summary: "Returns the distance between two members of a geospatial index.",
        since: "3.2.0",
        arity: Arity::at_least(4),
        keys: &[READ],
        syntax: "key member1 member2 [M | KM | FT | MI]",
        run: Handler::Read(read::geodist),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEOHASH",
        summary: "Returns members from a geospatial index as geohash strings.",
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        arity: Arity::at_least(2),
        keys: &[READ],
        syntax: "key [member [member ...]]",
        run: Handler::Read(read::geohash),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEOPOS",
        summary: "Returns the longitude and latitude of members from a geospatial index.",
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        arity: Arity::at_least(2),
        keys: &[READ],
        syntax: "key [member [member ...]]",
        run: Handler::Read(read::geopos),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEORADIUS",
        summary: "Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.",
        since: "3.2.0",
        complexity: COMPLEXITY_OF_RADIUS,
        arity: Arity::at_least(6),
        flags: Flags::DENYOOM,
        keys: &[READ, stored("STORE", 6), stored("STOREDIST", 6)],
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        history: &[ANY, UNITS_IN_CAPITALS],
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
        run: Handler::Write(search::georadius),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEORADIUSBYMEMBER",
        summary: "Queries a geospatial index for members within a distance from a member, optionally stores the result.",
        since: "3.2.0",
        complexity: COMPLEXITY_OF_RADIUS,
        arity: Arity::at_least(5),
        flags: Flags::DENYOOM,
        keys: &[READ, stored("STORE", 5), stored("STOREDIST", 5)],
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        history: &[ANY, UNITS_IN_CAPITALS],
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        run: Handler::Write(search::georadiusbymember),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEORADIUSBYMEMBER_RO",
        summary: "Returns members from a geospatial index that are within a distance from a member.",
        since: "3.2.10",
        complexity: COMPLEXITY_OF_RADIUS,
        arity: Arity::at_least(5),
        keys: &[READ],
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        history: &[ANY, UNITS_IN_CAPITALS],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        run: Handler::Read(search::georadiusbymember_ro),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEORADIUS_RO",
        summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
        since: "3.2.10",
        complexity: COMPLEXITY_OF_RADIUS,
        arity: Arity::at_least(6),
        keys: &[READ],
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        history: &[ANY, UNITS_IN_CAPITALS],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        run: Handler::Read(search::georadius_ro),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEOSEARCH",
        summary: "Queries a geospatial index for members inside an area of a box or a circle.",
        since: "6.2.0",
        complexity: COMPLEXITY_OF_SEARCH,
        arity: Arity::at_least(7),
        keys: &[READ],
        syntax: "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        history: &[UNITS_IN_CAPITALS],
        run: Handler::Read(search::geosearch),
        ..Command::in_group(Group::Geo)
    },
    Command {
        name: "GEOSEARCHSTORE",
        summary: "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.",
        since: "6.2.0",
        complexity: COMPLEXITY_OF_SEARCH,
        arity: Arity::at_least(8),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::UPDATE)), KeySpec::at(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
        history: &[UNITS_IN_CAPITALS],
        run: Handler::Write(search::geosearchstore),
        ..Command::in_group(Group::Geo)
    },
];

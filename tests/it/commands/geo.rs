//! The geo commands.

use super::{dialogue, dialogue_resp3};
use crate::support::Server;

const SICILY: &str =
    "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 13.583333 37.316667 Agrigento";

/// Runs a dialogue about three towns.
#[track_caller]
fn about_sicily(text: &str) {
    let server = Server::start();
    let mut client = server.client();
    client.run(SICILY);
    client.transcript(text);
}

#[test]
fn members_are_added_under_the_conditions_given() {
    dialogue(
        r#"
        > GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
        :2
        > GEOADD Sicily NX CH 13.583333 37.316667 Agrigento 0 0 Palermo
        :1
        > GEOADD Sicily XX ch 13.361389 38.1155 Palermo 1 1 Rome
        :1
        > GEOADD Sicily xx 13.361389 38.115556 Palermo
        :0
        > GEOADD missing XX 1 1 a
        :0
        > EXISTS missing
        :0
        > ZRANGE Sicily 0 -1 WITHSCORES
        ["Agrigento", "3479030013248308", "Palermo", "3479099956230698", "Catania", "3479447370796909"]
        > TYPE Sicily
        +zset
        > GEOADD Sicily XX NX 1 1 a
        -ERR syntax error
        > GEOADD Sicily CH 1 1
        -ERR syntax error
        > GEOADD Sicily NX XX CH
        -ERR syntax error
        > GEOADD Sicily CH NX CH
        -ERR syntax error
        > GEOADD Sicily ch xx foo 1 2 a
        -ERR syntax error
        > GEOADD Sicily 1 1
        -ERR wrong number of arguments for 'geoadd' command
        "#,
    );
}

#[test]
fn places_off_the_map_are_refused_and_then_nothing_is_added() {
    dialogue(
        r#"
        > GEOADD key 1 2 good 181 2 bad
        -ERR invalid longitude,latitude pair 181.000000,2.000000
        > GEOADD key 18 -86.5 a
        -ERR invalid longitude,latitude pair 18.000000,-86.500000
        > GEOADD key -inf 1e3 a
        -ERR invalid longitude,latitude pair -inf,1000.000000
        > GEOADD key 1 2 a x 3 b
        -ERR value is not a valid float
        > GEOADD key nan 3 b
        -ERR value is not a valid float
        > EXISTS key
        :0
        > GEORADIUS key 1 86 1 m
        -ERR invalid longitude,latitude pair 1.000000,86.000000
        > GEOSEARCH key FROMLONLAT 1 x BYRADIUS 1 m
        -ERR value is not a valid float
        // The corners of the map are on it.
        > GEOADD edge 180 85.05112878 north-east -180 -85.05112878 south-west
        :2
        > GEOPOS edge north-east south-west
        [["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"]]
        > GEOHASH edge north-east south-west
        ["bp05b5048p0", "00bh0hbj200"]
        > ZRANGE edge 0 -1 WITHSCORES
        ["south-west", "0", "north-east", "13510798882111488"]
        "#,
    );
}

#[test]
fn distances_have_four_decimals_in_every_unit() {
    about_sicily(
        r#"
        > GEODIST Sicily Palermo Catania
        "166274.1516"
        > GEODIST Sicily Palermo Catania KM
        "166.2742"
        > GEODIST Sicily Palermo Catania mi
        "103.3182"
        > GEODIST Sicily Palermo Catania Ft
        "545518.8700"
        > GEODIST Sicily Palermo Palermo
        "0.0000"
        > GEODIST Sicily Palermo Catania yd
        -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEODIST Sicily Palermo Catania km m
        -ERR syntax error
        > GEODIST Sicily Palermo nobody
        nil
        > GEODIST missing a b
        nil
        > GEODIST Sicily Palermo
        -ERR wrong number of arguments for 'geodist' command
        "#,
    );
}

#[test]
fn members_are_told_by_their_coordinates_and_their_geohashes() {
    about_sicily(
        r#"
        > GEOPOS Sicily Palermo nobody Catania
        [["13.36138933897018433", "38.11555639549629859"], nil-array, ["15.08726745843887329", "37.50266842333162032"]]
        > GEOPOS Sicily
        []
        > GEOPOS missing a
        [nil-array]
        > GEOHASH Sicily Palermo nobody Catania
        ["sqc8b49rny0", nil, "sqdtr74hyu0"]
        > GEOHASH Sicily
        []
        > GEOHASH missing a
        [nil]
        // Any score is taken for a place.
        > ZADD odd -1 a 0.5 b inf c -inf d 1e17 e
        :5
        > GEOPOS odd a b d e
        [["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"], ["180", "-85.05112751263942528"], ["180", "85.0511287799999991"]]
        > GEOHASH odd a b c d e
        ["bp05b5048p0", "00bh0hbj200", "00bh0hbj200", "00bh0hbj200", "bp05b5048p0"]
        "#,
    );
}

#[test]
fn coordinates_are_doubles_in_resp3_and_distances_are_strings() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.run(SICILY);
    client.transcript(
        r#"
        > GEOPOS Sicily Palermo nobody
        [[,13.36138933897018433, ,38.11555639549629859], _]
        > GEOHASH Sicily nobody
        [_]
        > GEODIST Sicily Palermo nobody
        _
        > GEODIST Sicily Palermo Catania km
        "166.2742"
        > GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 1 km WITHDIST WITHHASH WITHCOORD
        [["Palermo", "0.0000", :3479099956230698, [,13.36138933897018433, ,38.11555639549629859]]]
        "#,
    );
}

#[test]
fn members_within_a_radius_are_found_from_coordinates_and_from_a_member() {
    about_sicily(
        r#"
        > GEORADIUS Sicily 15 37 200 km WITHDIST
        [["Agrigento", "130.4235"], ["Palermo", "190.4424"], ["Catania", "56.4413"]]
        > GEORADIUS Sicily 15 37 200 km WITHCOORD COUNT 1
        [["Catania", ["15.08726745843887329", "37.50266842333162032"]]]
        > GEORADIUS Sicily 15 37 200 km WITHHASH WITHDIST WITHCOORD ASC COUNT 2
        [["Catania", "56.4413", :3479447370796909, ["15.08726745843887329", "37.50266842333162032"]], ["Agrigento", "130.4235", :3479030013248308, ["13.5833314061164856", "37.31666804993816555"]]]
        > GEORADIUS_RO Sicily 15 37 200 km DESC
        ["Palermo", "Agrigento", "Catania"]
        > GEORADIUS_RO Sicily 15 37 1 m
        []
        > GEORADIUSBYMEMBER Sicily Agrigento 100 km
        ["Agrigento", "Palermo"]
        > GEORADIUSBYMEMBER_RO Sicily Agrigento 100 km WITHDIST
        [["Agrigento", "0.0000"], ["Palermo", "90.9778"]]
        > GEORADIUSBYMEMBER Sicily nobody 100 km
        -ERR could not decode requested zset member
        > GEORADIUS_RO Sicily 15 37 200 km STORE x
        -ERR syntax error
        > GEORADIUSBYMEMBER_RO Sicily Agrigento 100 km STOREDIST x
        -ERR syntax error
        // Without a key the radius is not looked at, the options are.
        > GEORADIUSBYMEMBER missing nobody bad unit
        []
        > GEORADIUSBYMEMBER missing nobody bad unit bad
        -ERR syntax error
        > GEORADIUS missing 1 1 bad m
        -ERR need numeric radius
        "#,
    );
}

#[test]
fn a_search_takes_circles_and_rectangles_around_coordinates_or_a_member() {
    about_sicily(
        r#"
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC
        ["Catania", "Agrigento", "Palermo"]
        > GEOSEARCH Sicily BYBOX 400 400 km ASC FROMLONLAT 15 37 WITHCOORD WITHDIST COUNT 1
        [["Catania", "56.4413", ["15.08726745843887329", "37.50266842333162032"]]]
        > GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 200 200 km WITHDIST
        [["Agrigento", "90.9778"], ["Palermo", "0.0000"]]
        > GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 200 10 km
        ["Palermo"]
        // The last of several holds.
        > GEOSEARCH Sicily FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 1 m BYRADIUS 1 km
        ["Catania"]
        // ANY takes those that it comes upon first.
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY
        ["Agrigento"]
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 2 ANY ASC
        ["Agrigento", "Palermo"]
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS inf m COUNT 9
        ["Catania", "Agrigento", "Palermo"]
        > GEOSEARCH missing FROMMEMBER x BYRADIUS 1 km
        []
        "#,
    );
}

#[test]
fn what_is_missing_and_what_goes_not_together_is_told() {
    about_sicily(
        r#"
        > GEOSEARCH Sicily BYRADIUS 1 km asc count 1
        -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH
        > gEoSearch Sicily FROMLONLAT 1 1 asc count 1
        -ERR exactly one of BYRADIUS and BYBOX can be specified for gEoSearch
        > GEOSEARCH Sicily FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 km
        -ERR syntax error
        > GEOSEARCH Sicily FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km
        -ERR syntax error
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km BYBOX 1 1 km
        -ERR syntax error
        > GEOSEARCH Sicily FROMMEMBER nobody BYRADIUS 1 km
        -ERR could not decode requested zset member
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS -1 km
        -ERR radius cannot be negative
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS x km
        -ERR need numeric radius
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 yd
        -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYBOX x 1 km
        -ERR need numeric width
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYBOX 1 x km
        -ERR need numeric height
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYBOX 1 -1 km
        -ERR height or width cannot be negative
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYBOX 1 1 yd
        -ERR unsupported unit provided. please use M, KM, FT, MI
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km ANY
        -ERR the ANY argument requires COUNT argument
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km COUNT 0
        -ERR COUNT must be > 0
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km COUNT -1
        -ERR COUNT must be > 0
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km COUNT x
        -ERR value is not an integer or out of range
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km COUNT
        -ERR syntax error
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km STORE x
        -ERR syntax error
        > GEOSEARCH Sicily FROMLONLAT 1 1 BYRADIUS 1 km STOREDIST
        -ERR syntax error
        > GEOSEARCH missing FROMMEMBER x BYRADIUS 1 km bad
        -ERR syntax error
        > GEOSEARCHSTORE dest Sicily FROMLONLAT 15 37 BYBOX 400 400 km WITHDIST
        -ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        > GEORADIUS Sicily 15 37 200 km STORE dest WITHCOORD
        -ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        > GEORADIUS Sicily 15 37 200 km STORE
        -ERR syntax error
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1
        -ERR syntax error
        > GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS
        -ERR wrong number of arguments for 'geosearch' command
        "#,
    );
}

#[test]
fn what_is_found_is_stored_with_its_places_or_its_distances() {
    about_sicily(
        r#"
        > GEOSEARCHSTORE dest Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 2 STOREDIST
        :2
        7.2> ZRANGE dest 0 -1 WITHSCORES
        ["Catania", "56.4412578701582", "Agrigento", "130.42348706714702"]
        > GEOSEARCHSTORE dest Sicily FROMMEMBER Catania BYRADIUS 1 km
        :1
        > ZRANGE dest 0 -1 WITHSCORES
        ["Catania", "3479447370796909"]
        7.2> OBJECT ENCODING dest
        "listpack"
        > GEORADIUS Sicily 15 37 200 km STOREDIST dest COUNT 1 DESC
        :1
        7.2> ZRANGE dest 0 -1 WITHSCORES
        ["Palermo", "190.44242984775784"]
        // The last destination holds.
        > GEORADIUSBYMEMBER Sicily Palermo 200 km STOREDIST other STORE dest
        :3
        > ZRANGE dest 0 -1 WITHSCORES
        ["Agrigento", "3479030013248308", "Palermo", "3479099956230698", "Catania", "3479447370796909"]
        > EXISTS other
        :0
        > EXPIRE dest 100
        :1
        > GEORADIUS Sicily 15 37 200 km STORE dest
        :3
        > TTL dest
        :-1
        > GEOSEARCHSTORE dest Sicily FROMLONLAT 0 0 BYRADIUS 1 m
        :0
        > EXISTS dest
        :0
        > SET dest text
        +OK
        > GEORADIUSBYMEMBER missing x 1 m STORE dest
        :0
        > EXISTS dest
        :0
        "#,
    );
}

#[test]
fn other_types_are_refused_before_anything_else_is_read() {
    dialogue(
        r#"
        > SET s x
        +OK
        > GEOADD s 1 2 a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEOPOS s a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEOHASH s a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEODIST s a b
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEOSEARCH s bad bad bad bad bad
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEOSEARCHSTORE d s bad bad bad bad bad
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEORADIUS s x y z u
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEORADIUS_RO s x y z u
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEORADIUSBYMEMBER s m z u
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GEORADIUSBYMEMBER_RO s m z u
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn changes_are_published_under_the_names_of_their_commands() {
    let server = Server::start();
    let mut client = server.client();
    client.run("CONFIG SET notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    client.run("GEOADD key 1 1 a");
    client.run("GEOADD key 1 1 a");
    client.run("GEOSEARCHSTORE dest key FROMLONLAT 1 1 BYRADIUS 1 km");
    client.run("GEORADIUS key 1 1 1 km STORE dest");
    client.run("GEORADIUS key 9 9 1 km STORE dest");
    let expected = [("zadd", "key"), ("geosearchstore", "dest"), ("georadiusstore", "dest"), ("del", "dest")];
    for (event, key) in expected {
        let message = listener.read().texts();
        assert_eq!(message[2..], [format!("__keyevent@0__:{event}"), key.to_owned()]);
    }
}

#[test]
fn the_keys_behind_store_are_told() {
    dialogue(
        r#"
        > COMMAND GETKEYS GEORADIUS k 1 1 1 km STORE a STOREDIST b
        ["k", "b"]
        > COMMAND GETKEYS GEORADIUSBYMEMBER k m 1 km
        ["k"]
        > COMMAND GETKEYS GEOSEARCHSTORE a b FROMLONLAT 0 0 BYRADIUS 1 m
        ["a", "b"]
        "#,
    );
    dialogue_resp3(
        r#"
        > COMMAND GETKEYSANDFLAGS GEORADIUSBYMEMBER k m 1 km STOREDIST b
        [["k", ~[+RO, +access]], ["b", ~[+OW, +update]]]
        "#,
    );
}

/// Places beyond the last circle of latitude that a search reaches are found on the other side of the pole, and those
/// beyond the 180th meridian on the other side of the earth. Redis misses some of the first.
#[test]
fn searches_go_over_the_pole_and_around_the_earth() {
    dialogue(
        r#"
        > GEOADD k 45 65 n1 -135 85.05 n2
        :2
        > GEORADIUSBYMEMBER k n1 5009431 m
        ["n1", "n2"]
        > GEOADD points 179.5 36 point1 -179.5 36 point2
        :2
        > GEOSEARCH points fromlonlat 179 37 bybox 400 400 km asc
        ["point1", "point2"]
        > GEOSEARCH points fromlonlat -179 37 bybox 400 400 km asc
        ["point2", "point1"]
        7.2> GEOADD pole 0 84.9 here 180 84.9 there 90 84.9 aside
        :3
        7.2> GEOSEARCH pole FROMMEMBER here BYRADIUS 1140 km ASC WITHDIST
        [["here", "0.0000"], ["aside", "801.6881"], ["there", "1134.5083"]]
        7.2> GEOADD line 179.99 1 west -179.99 1 east 180 1 on
        :3
        7.2> GEOSEARCH line FROMLONLAT 180 1 BYRADIUS 2 km ASC
        ["on", "east", "west"]
        "#,
    );
}

/// Many members, so that the set is a tree; each search against looking at every member.
#[test]
fn a_search_of_many_members_finds_what_their_distances_tell() {
    let server = Server::start();
    let mut client = server.client();
    let mut random = fastrand::Rng::with_seed(7);
    for start in (0..3000).step_by(100) {
        let members: Vec<_> = (start..start + 100)
            .map(|index| {
                let (longitude, latitude) = (random.f64() * 6.0 - 3.0, random.f64() * 6.0 - 3.0);
                format!("{longitude} {latitude} m{index}")
            })
            .collect();
        client.run(&format!("GEOADD places {}", members.join(" ")));
    }
    client.run("GEOADD places 0 0 centre");
    assert_eq!(client.run("OBJECT ENCODING places").text(), "skiplist");
    let mut distances = Vec::new();
    for index in 0..3000 {
        let distance = client.run(&format!("GEODIST places centre m{index}")).text();
        distances.push((distance.parse::<f64>().expect("a distance"), format!("m{index}")));
    }
    distances.sort_by(|a, b| a.0.total_cmp(&b.0));
    for radius in [100.0, 5_000.0, 50_000.0, 200_000.0, 400_000.0] {
        let near: Vec<_> = distances.iter().take_while(|(distance, _)| *distance <= radius).collect();
        let mut found = client.run(&format!("GEOSEARCH places FROMMEMBER centre BYRADIUS {radius} m ASC")).texts();
        assert_eq!(found.remove(0), "centre");
        assert_eq!(found, near.iter().map(|(_, member)| member.clone()).collect::<Vec<_>>());
        let farthest = client.run(&format!("GEOSEARCH places FROMMEMBER centre BYRADIUS {radius} m DESC COUNT 5"));
        let expected: Vec<_> = near.iter().rev().map(|(_, member)| member.clone()).take(5).collect();
        assert_eq!(farthest.texts()[..expected.len()], expected);
        let any = client.run(&format!("GEOSEARCH places FROMMEMBER centre BYRADIUS {radius} m COUNT 9 ANY")).texts();
        assert_eq!(any.len(), 9.min(near.len() + 1));
    }
}

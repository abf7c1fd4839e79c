//! What other implementations say of the same points, and every search against looking at each point.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::cell::Cell;
use super::{Area, LATITUDE_MAX, LONGITUDE_MAX, Point, Search};

const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

fn text(point: Point) -> String {
    String::from_utf8(point.geohash().to_vec()).expect("letters")
}

/// The place of a point as a sorted set keeps it.
fn stored(point: Point) -> (u64, Point) {
    let score = point.number() as f64;
    (score as u64, Point::of_number(score as u64))
}

#[test]
fn points_have_the_numbers_and_the_names_that_other_servers_give_them() {
    assert_eq!(PALERMO.number(), 3_479_099_956_230_698);
    assert_eq!(CATANIA.number(), 3_479_447_370_796_909);
    assert_eq!(
        (text(stored(PALERMO).1), text(stored(CATANIA).1)),
        ("sqc8b49rny0".to_owned(), "sqdtr74hyu0".to_owned())
    );
    assert_eq!(text(stored(Point { longitude: -5.6, latitude: 42.6 }).1), "ezs42e44yx0");
    let back = stored(PALERMO).1;
    assert_eq!(format!("{:.17} {:.17}", back.longitude, back.latitude), "13.36138933897018433 38.11555639549629859");
}

#[test]
fn distances_are_those_of_great_circles() {
    let distance = stored(PALERMO).1.distance(stored(CATANIA).1);
    assert_eq!(format!("{distance:.4}"), "166274.1516");
    let (north, south) = (Point { longitude: 10.0, latitude: 20.0 }, Point { longitude: 10.0, latitude: -20.0 });
    assert_eq!(north.distance(south), north.distance_of_latitudes(south));
    assert_eq!(north.distance(north), 0.0);
    // The two ends of a diameter are half a circumference apart, whatever their rounding.
    for latitude in 0..=85 {
        let here = Point { longitude: -90.0, latitude: f64::from(latitude) };
        let there = Point { longitude: 90.0, latitude: -f64::from(latitude) };
        assert!((here.distance(there) - 20_020_733.0).abs() < 100.0);
    }
}

#[test]
fn only_points_of_the_map_are_taken() {
    assert!(Point::on_map(LONGITUDE_MAX, -LATITUDE_MAX).is_some());
    assert!(Point::on_map(180.000_001, 0.0).is_none());
    assert!(Point::on_map(0.0, 85.051_128_79).is_none());
    assert!(Point::on_map(f64::NAN, 0.0).is_none());
    assert!(Point::on_map(f64::NEG_INFINITY, 0.0).is_none());
}

#[test]
fn any_number_stands_for_some_point_of_the_map() {
    for number in [0, 1, 1 << 52, 1 << 53, u64::MAX, i64::MIN as u64, 0x5555_5555_5555_5555, !0x5555_5555_5555_5555] {
        let Point { longitude, latitude } = Point::of_number(number);
        assert!(Point::on_map(longitude, latitude).is_some(), "{number:x}");
    }
}

#[test]
fn neighbours_go_around_the_earth() {
    let west_end = Cell { step: 3, column: 0, row: 5 };
    assert_eq!(west_end.moved(-1, 0), Cell { column: 7, ..west_end });
    assert_eq!(west_end.moved(-1, 0).moved(1, 0), west_end);
    assert_eq!(west_end.moved(0, 3), Cell { row: 0, ..west_end });
    assert_eq!(Cell::of_number(west_end.number(), 3), west_end);
    assert_eq!(Cell { step: 1, column: 1, row: 0 }.range(), 2 << 50..3 << 50);
}

#[test]
fn a_small_circle_looks_at_few_cells_of_its_own_size() {
    for (longitude, latitude) in [(2.35, 48.85), (-73.98, 40.76), (0.001, -0.001), (151.2, -33.87)] {
        let search = Search { centre: Point { longitude, latitude }, area: Area::Circle { radius_m: 1000.0 } };
        let ranges: Vec<_> = search.ranges().collect();
        assert!(ranges.len() <= 9);
        // A cell of step 14 is 2.4 kilometres wide at the equator.
        assert!(ranges.iter().all(|range| range.end - range.start <= 1 << (2 * (26 - 12))), "{ranges:?}");
    }
}

#[test]
fn a_circle_without_extent_looks_into_one_cell() {
    let search = Search { centre: PALERMO, area: Area::Circle { radius_m: 0.0 } };
    let number = PALERMO.number();
    assert!(search.ranges().eq(std::iter::once(number..number + 1)));
}

/// Any point, with the edges of the map and the neighbourhood of the poles more often than chance would have them.
fn points() -> impl Strategy<Value = Point> {
    let longitude = prop_oneof![
        8 => -LONGITUDE_MAX..LONGITUDE_MAX,
        1 => prop_oneof![Just(-LONGITUDE_MAX), Just(LONGITUDE_MAX), Just(0.0)],
        1 => prop_oneof![-180.0..-179.9, 179.9..180.0],
    ];
    let latitude = prop_oneof![
        8 => -LATITUDE_MAX..LATITUDE_MAX,
        1 => prop_oneof![Just(-LATITUDE_MAX), Just(LATITUDE_MAX), Just(0.0)],
        1 => prop_oneof![-LATITUDE_MAX..-80.0, 80.0..LATITUDE_MAX],
    ];
    (longitude, latitude).prop_map(|(longitude, latitude)| Point { longitude, latitude })
}

/// Lengths of all sizes: from centimetres to around the earth.
fn lengths() -> impl Strategy<Value = f64> {
    prop_oneof![9 => (-2.0..7.7f64).prop_map(|power| 10f64.powf(power)), 1 => Just(0.0), 1 => Just(f64::INFINITY)]
}

fn areas() -> impl Strategy<Value = Area> {
    prop_oneof![
        lengths().prop_map(|radius_m| Area::Circle { radius_m }),
        (lengths(), lengths()).prop_map(|(width_m, height_m)| Area::Rectangle { width_m, height_m }),
    ]
}

/// Points near the centre and around the edge of an area, where chance alone would bring hardly any.
fn near(search: Search, angle: f64, share: f64) -> Option<Point> {
    let (aside, up) = match search.area {
        Area::Circle { radius_m } => (radius_m, radius_m),
        Area::Rectangle { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
    };
    let metres_a_degree = 111_226.0;
    let latitude = search.centre.latitude + up * share * angle.sin() / metres_a_degree;
    let longitude =
        search.centre.longitude + aside * share * angle.cos() / metres_a_degree / latitude.to_radians().cos();
    Point::on_map((longitude + 180.0).rem_euclid(360.0) - 180.0, latitude)
}

fn check(search: Search, point: Point) -> Result<(), TestCaseError> {
    let (number, point) = stored(point);
    let found = search.ranges().filter(|range| range.contains(&number)).count();
    prop_assert!(found <= 1, "{search:?} looks at {point:?} {found} times");
    if search.distance_within(point).is_some() {
        prop_assert_eq!(found, 1, "{:?} does not look at {:?}", search, point);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2000 }))]

    #[test]
    fn a_search_looks_at_every_point_within_it_once(
        centre in points(),
        area in areas(),
        others in prop::collection::vec(points(), 20),
        around in prop::collection::vec((0.0..TAU, 0.0..1.1f64), 40),
    ) {
        let search = Search { centre, area };
        for other in others {
            check(search, other)?;
        }
        for (angle, share) in around {
            if let Some(point) = near(search, angle, share) {
                check(search, point)?;
            }
        }
        // A search from where a stored point is has it in the middle.
        let (_, centre) = stored(centre);
        check(Search { centre, area }, centre)?;
    }

    #[test]
    fn a_point_comes_back_within_its_cell(point in points()) {
        let (_, back) = stored(point);
        // On the last meridian a number has one bit more than a score can hold.
        prop_assert!((back.longitude - point.longitude).abs() < 3e-6 && (back.latitude - point.latitude).abs() < 4e-6);
        prop_assert!(point.distance(back) < 1.0);
    }
}

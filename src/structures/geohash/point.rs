//! A place on the earth: its number, its name as a geohash, its distance from another.

use std::f64::consts::PI;

use super::cell::{Cell, STEP_MAX, Span};

/// Longitudes are at most this far from zero, in degrees.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Latitudes are at most this far from zero, in degrees: where the square map of Web Mercator ends.
pub const LATITUDE_MAX: f64 = 85.051_128_78;

pub const LONGITUDES: Span = Span::new(-LONGITUDE_MAX, LONGITUDE_MAX);
pub const LATITUDES: Span = Span::new(-LATITUDE_MAX, LATITUDE_MAX);

/// Geohashes as they are written elsewhere have their rows count from pole to pole.
const LATITUDES_TO_THE_POLES: Span = Span::new(-90.0, 90.0);
const GEOHASH_ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const GEOHASH_BYTES: usize = 11;

/// The quadratic mean radius of the earth.
pub const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// A point, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

impl Point {
    /// The point, if it is on the map.
    pub fn on_map(longitude: f64, latitude: f64) -> Option<Self> {
        (LONGITUDES.contains(longitude) && LATITUDES.contains(latitude)).then_some(Self { longitude, latitude })
    }

    /// The cell of the grid of this step that the point lies in.
    pub fn cell(self, step: u32) -> Cell {
        self.cell_between(LATITUDES, step)
    }

    fn cell_between(self, latitudes: Span, step: u32) -> Cell {
        Cell { step, column: LONGITUDES.part_of(self.longitude, step), row: latitudes.part_of(self.latitude, step) }
    }

    /// The number of its cell on the finest grid, of 52 bits for all points but those on the last meridian or parallel.
    pub fn number(self) -> u64 {
        self.cell(STEP_MAX).number()
    }

    /// The middle of the cell of this number, or the nearest point of the map if the number is that of no cell.
    pub fn of_number(number: u64) -> Self {
        let cell = Cell::of_number(number, STEP_MAX);
        let middle = |span: Span, part: u32| {
            let part = span.part(part, STEP_MAX);
            ((part.min + part.max) / 2.0).clamp(span.min, span.max)
        };
        Self { longitude: middle(LONGITUDES, cell.column), latitude: middle(LATITUDES, cell.row) }
    }

    /// Its geohash, of which 52 bits make ten letters; the eleventh is always `0`.
    pub fn geohash(self) -> [u8; GEOHASH_BYTES] {
        let bits = self.cell_between(LATITUDES_TO_THE_POLES, STEP_MAX).number();
        let mut text = [GEOHASH_ALPHABET[0]; GEOHASH_BYTES];
        for (index, letter) in text[..GEOHASH_BYTES - 1].iter_mut().enumerate() {
            let place = bits >> (2 * STEP_MAX as usize - 5 * (index + 1));
            *letter = GEOHASH_ALPHABET[(place % 32) as usize];
        }
        text
    }

    /// The great-circle distance in metres, by the haversine formula.
    pub fn distance(self, other: Self) -> f64 {
        let v = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if v == 0.0 {
            return self.distance_of_latitudes(other);
        }
        let (latitude, other_latitude) = (radians(self.latitude), radians(other.latitude));
        let u = ((other_latitude - latitude) / 2.0).sin();
        let a = u * u + latitude.cos() * other_latitude.cos() * v * v;
        // Rounding can carry the sum for two ends of a diameter above one, which no sine is.
        2.0 * EARTH_RADIUS_M * a.sqrt().min(1.0).asin()
    }

    /// The distance of the circles of latitude that the two points lie on.
    pub fn distance_of_latitudes(self, other: Self) -> f64 {
        EARTH_RADIUS_M * (radians(other.latitude) - radians(self.latitude)).abs()
    }
}

pub fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

pub fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

//! The geo commands: members of sorted sets whose scores are places on the earth.
//! Owns:  the rows and handlers of GEOADD to GEOSEARCHSTORE, units of length, and how lengths and places are written.
//! Uses:  keyspace, types, structures, resp, stdx, and the sorted set commands beside it.
//! Never: where a place is among the scores, which the structure `geohash` knows.

mod add;
mod found;
mod read;
mod rows;
mod search;

pub use rows::COMMANDS;

use super::framework::CommandError;
use super::framework::arguments::float;
use crate::resp::Reply;
use crate::stdx::number::LongDouble;
use crate::structures::geohash::Point;
use crate::types::zset::ZsetView;

/// What lengths are given and answered in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Metre,
    Kilometre,
    Foot,
    Mile,
}

impl Unit {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        [(&b"M"[..], Self::Metre), (b"KM", Self::Kilometre), (b"FT", Self::Foot), (b"MI", Self::Mile)]
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map(|(_, unit)| unit)
            .ok_or(CommandError::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
    }

    fn metres(self) -> f64 {
        match self {
            Self::Metre => 1.0,
            Self::Kilometre => 1000.0,
            Self::Foot => 0.3048,
            Self::Mile => 1609.34,
        }
    }
}

/// Reads a longitude and a latitude.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, CommandError> {
    let longitude = float(longitude)?;
    let latitude = float(latitude)?;
    Point::on_map(longitude, latitude)
        .ok_or_else(|| CommandError::owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// The place that a score stands for. Any score is some place: one that no GEOADD has made counts as the integer of 64
/// bits that x86 makes of it, zero where there is none.
fn point_of_score(score: f64) -> Point {
    const BEYOND_64_BITS: f64 = 18_446_744_073_709_551_616.0;
    Point::of_number(match score {
        _ if score < 0.0 => score as i64 as u64,
        _ if score < BEYOND_64_BITS => score as u64,
        _ => 0,
    })
}

fn point_of_member(zset: ZsetView<'_>, member: &[u8]) -> Option<Point> {
    zset.score(member).map(point_of_score)
}

/// Writes a length with the four decimals that are enough even where the unit is the kilometre.
fn write_length(reply: &mut Reply, length: f64) {
    let scaled = (length * 10_000.0).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000));
}

fn write_point(reply: &mut Reply, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        reply.double_text(LongDouble::from(degrees).to_human_text().as_bytes());
    }
}

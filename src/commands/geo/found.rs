//! The members that a search has found: in which order they are, and what becomes of them.

use std::ops::{Bound, Range};

use super::search::Facts;
use super::{Unit, point_of_score, write_length, write_point};
use crate::resp::Reply;
use crate::structures::geohash::{Point, Search};
use crate::types::zset::{ZsetValue, ZsetView};
use crate::types::{Limits, Value};

/// Members, each with what is known about it.
#[derive(Default, Debug)]
pub struct Found {
    places: Vec<Place>,
    /// The members' names, one behind the other.
    names: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Place {
    name: Range<usize>,
    point: Point,
    distance_m: f64,
    score: f64,
}

impl Found {
    /// Looks for the members of `zset` that are within the area, until there are enough; `None` where there is no memory for
    /// all of them.
    pub fn search(zset: ZsetView<'_>, search: Search, enough: usize) -> Option<Self> {
        let mut found = Self::default();
        let mut lacking = false;
        for range in search.ranges() {
            let ranks = zset.score_ranks(Bound::Included(range.start as f64), Bound::Excluded(range.end as f64));
            zset.visit_while(ranks, |member, score| {
                let point = point_of_score(score);
                if let Some(distance_m) = search.distance_within(point) {
                    lacking = !found.has_room(member.text_len());
                    if lacking {
                        return false;
                    }
                    let start = found.names.len();
                    member.append_to(&mut found.names);
                    found.places.push(Place { name: start..found.names.len(), point, distance_m, score });
                }
                found.places.len() < enough
            });
            if lacking || found.places.len() >= enough {
                break;
            }
        }
        (!lacking).then_some(found)
    }

    /// Makes room for one more member of so many bytes.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.names.try_reserve(bytes).is_ok() && self.places.try_reserve(1).is_ok()
    }

    /// How much memory a sorted set of the members takes while it is made, with their names beside it.
    pub fn bytes_of_zset(&self) -> usize {
        const BYTES_OF_PAIR: usize = 2 * (size_of::<Vec<u8>>() + 2 * size_of::<f64>());
        2 * self.places.iter().map(|place| place.name.len()).sum::<usize>() + self.places.len() * BYTES_OF_PAIR
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn truncate(&mut self, count: usize) {
        self.places.truncate(count);
    }

    /// Puts the nearest or the farthest first and keeps so many. Those at the same distance stay as they were found.
    pub fn sort(&mut self, farthest_first: bool, count: usize) {
        let compare = |one: &Place, other: &Place| {
            let by_distance = one.distance_m.total_cmp(&other.distance_m);
            let by_distance = if farthest_first { by_distance.reverse() } else { by_distance };
            by_distance.then(one.name.start.cmp(&other.name.start))
        };
        if count < self.places.len() {
            // Only those that stay need be put in order.
            self.places.select_nth_unstable_by(count, compare);
            self.places.truncate(count);
        }
        self.places.sort_unstable_by(compare);
    }

    /// Writes the members, each with the facts about it that are asked for.
    pub fn write(&self, reply: &mut Reply, facts: Facts, unit: Unit) {
        let extra = usize::from(facts.distance) + usize::from(facts.hash) + usize::from(facts.coordinates);
        reply.array(self.places.len());
        for place in &self.places {
            if extra > 0 {
                reply.array(1 + extra);
            }
            reply.bulk(&self.names[place.name.clone()]);
            if facts.distance {
                write_length(reply, place.distance_m / unit.metres());
            }
            if facts.hash {
                reply.integer(place.score as i64);
            }
            if facts.coordinates {
                write_point(reply, place.point);
            }
        }
    }

    /// A sorted set of the members, with the scores they had, or their distances in this unit; none if there are none.
    pub fn to_zset(&self, distance_unit: Option<Unit>, limits: &Limits) -> Option<Value> {
        let pair = |place: &Place| {
            let score = distance_unit.map_or(place.score, |unit| place.distance_m / unit.metres());
            (self.names[place.name.clone()].to_vec(), score)
        };
        let pairs: Vec<_> = self.places.iter().map(pair).collect();
        (!pairs.is_empty()).then(|| ZsetValue::from_pairs(&pairs, limits).into())
    }
}

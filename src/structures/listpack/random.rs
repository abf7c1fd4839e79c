//! Random picks from a listpack.

use super::view::{Lp, Pos};

impl Lp {
    /// A place picked at random among every `group`-th entry: 1 for single entries, 2 for the fields of pairs.
    pub fn random(&self, group: usize, rng: &mut fastrand::Rng) -> Option<Pos> {
        let groups = self.len() / group;
        if groups == 0 {
            return None;
        }
        self.at((rng.usize(..groups) * group) as i64)
    }

    /// `count` places picked at random, in random order; a place may come more than once.
    pub fn random_many(&self, count: usize, group: usize, rng: &mut fastrand::Rng) -> Vec<Pos> {
        let groups = self.len() / group;
        if groups == 0 {
            return Vec::new();
        }
        // One walk over the listpack serves all picks in the order of their indexes.
        let mut picks: Vec<(usize, usize)> = (0..count).map(|order| (rng.usize(..groups), order)).collect();
        picks.sort_unstable();
        let mut places = vec![Pos(0); count];
        let mut walk = self.entries().step_by(group).enumerate();
        let mut here = None;
        for (index, order) in picks {
            while here.is_none_or(|(reached, _)| reached < index) {
                let Some((reached, (pos, _))) = walk.next() else { return Vec::new() };
                here = Some((reached, pos));
            }
            if let Some((_, pos)) = here {
                places[order] = pos;
            }
        }
        places
    }

    /// `count` different places picked at random, in the listpack's order; all of them if there are no more.
    pub fn random_distinct(&self, count: usize, group: usize, rng: &mut fastrand::Rng) -> Vec<Pos> {
        let groups = self.len() / group;
        let mut wanted = count.min(groups);
        let mut places = Vec::with_capacity(wanted);
        for (index, (pos, _)) in self.entries().step_by(group).enumerate() {
            if wanted == 0 || index >= groups {
                break;
            }
            // Each place is taken with the chance that makes all selections of this size equally likely.
            if rng.usize(..groups - index) < wanted {
                places.push(pos);
                wanted -= 1;
            }
        }
        places
    }
}

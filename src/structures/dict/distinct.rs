//! Several different random elements.

use hashbrown::HashSet;

use super::{Dict, Element};

/// From this share of the elements on, one walk over all of them is cheaper than drawing until enough differ.
const WALK_SHARE: usize = 3;

/// Draws for each element that is wanted before a walk takes over, should the draws repeat themselves too often.
const DRAWS_PER_ELEMENT: usize = 16;

impl<E: Element> Dict<E> {
    /// `count` different random elements, in no particular order; all of them if there are no more.
    pub fn random_distinct(&self, count: usize, rng: &mut fastrand::Rng) -> Vec<&E> {
        let count = count.min(self.len());
        if count > self.len() / WALK_SHARE {
            return self.random_by_walk(count, rng);
        }
        let mut places: HashSet<usize> = HashSet::with_capacity(count);
        let mut drawn = Vec::with_capacity(count);
        for _ in 0..count * DRAWS_PER_ELEMENT {
            if drawn.len() == count {
                return drawn;
            }
            // No element moves while the table is borrowed, so the place of its handle identifies it.
            if let Some(element) = self.random(rng)
                && places.insert(core::ptr::from_ref(element).addr())
            {
                drawn.push(element);
            }
        }
        if drawn.len() == count { drawn } else { self.random_by_walk(count, rng) }
    }

    fn random_by_walk(&self, count: usize, rng: &mut fastrand::Rng) -> Vec<&E> {
        let mut drawn = Vec::with_capacity(count);
        for (walked, element) in self.iter().enumerate() {
            // Each element is taken with the chance that makes all selections of this size equally likely.
            if drawn.len() < count && rng.usize(..self.len() - walked) < count - drawn.len() {
                drawn.push(element);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ThinMember;
    use super::*;
    use crate::stdx::HashSeed;

    #[test]
    #[cfg_attr(miri, ignore = "takes hours")]
    fn drawn_elements_differ_and_each_one_is_drawn_about_as_often() {
        const ELEMENTS: usize = 1000;
        let mut dict: Dict<ThinMember> = Dict::new(HashSeed { k0: 3, k1: 4 });
        for number in 0..ELEMENTS {
            let member = ThinMember::new(number.to_string().as_bytes());
            dict.insert_new_hashed(dict.hash_of(&member), member);
        }
        let mut rng = fastrand::Rng::with_seed(7);
        for (count, rounds) in [(0, 1), (1, 2000), (100, 400), (500, 100), (1000, 1), (5000, 1)] {
            let mut times = vec![0; ELEMENTS];
            for _ in 0..rounds {
                let drawn = dict.random_distinct(count, &mut rng);
                assert_eq!(drawn.len(), count.min(ELEMENTS));
                let mut numbers: Vec<usize> =
                    drawn.iter().map(|member| member.get().as_int().unwrap() as usize).collect();
                numbers.sort_unstable();
                numbers.dedup();
                assert_eq!(numbers.len(), count.min(ELEMENTS));
                numbers.into_iter().for_each(|number| times[number] += 1);
            }
            let expected = count.min(ELEMENTS) * rounds / ELEMENTS;
            if expected >= 40 {
                assert!(times.iter().all(|&times| times > expected / 3 && times < expected * 3), "{count}");
            }
        }
    }
}

//! Sorted sets in RDB.

use std::io;

use super::{ZsetValue, ZsetView, packed, tree_of};
use crate::rdb::{self, Tag};
use crate::stdx::HashSeed;
use crate::structures::PoolBox;
use crate::structures::listpack::{self, Listpack};
use crate::structures::scored_set::ScoredSetBuilder;
use crate::structures::ziplist::Ziplist;
use crate::types::LoadOptions;
use crate::types::packed::has_duplicates;

/// The fewest bytes that a member and its score take: a length of zero, and a double as text or in binary.
const ASCII_PAIR_BYTES_MIN: usize = 2;
const PAIR_BYTES_MIN: usize = 9;

pub fn save(view: ZsetView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match view {
        ZsetView::Listpack(listpack) => out.string(listpack.as_bytes()),
        ZsetView::Tree(tree) => {
            out.length(tree.len() as u64)?;
            // From the highest score down, as Redis writes them: its skip list takes each pair at its head then.
            for (member, score) in tree.iter().rev() {
                out.string(member)?;
                out.double(score)?;
            }
            Ok(())
        }
    }
}

pub fn load(tag: Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<ZsetValue> {
    match tag {
        Tag::Zset => load_pairs(input, options, ASCII_PAIR_BYTES_MIN, rdb::Decoder::ascii_double),
        Tag::Zset2 => load_pairs(input, options, PAIR_BYTES_MIN, rdb::Decoder::double),
        Tag::ZsetZiplist => {
            let offset = input.offset();
            let bytes = input.string()?;
            let listpack = Ziplist::parse(&bytes).map(Ziplist::to_listpack);
            let listpack = listpack.map_err(|_| input.invalid_at(offset, "sorted set with a malformed ziplist"))?;
            finish_packed(listpack, offset, input, options)
        }
        _ => {
            let offset = input.offset();
            let bytes = input.string()?;
            if listpack::validate(&bytes, true, |_| true).is_err() {
                return Err(input.invalid_at(offset, "sorted set with a malformed listpack"));
            }
            finish_packed(Listpack::from_bytes(&bytes), offset, input, options)
        }
    }
}

fn load_pairs<'a>(
    input: &mut rdb::Decoder<'a>,
    options: &LoadOptions<'_>,
    pair_bytes_min: usize,
    score: impl Fn(&mut rdb::Decoder<'a>) -> rdb::Result<f64>,
) -> rdb::Result<ZsetValue> {
    let count = input.count(pair_bytes_min)?;
    let mut builder = ScoredSetBuilder::with_capacity(HashSeed::of_process(), count);
    let mut scratch = Vec::new();
    for _ in 0..count {
        let offset = input.offset();
        let member = input.string_in(&mut scratch)?;
        let score = score(input)?;
        if score.is_nan() {
            return Err(input.invalid_at(offset, "sorted set with a score that is not a number"));
        }
        if !builder.push(member, score) {
            return Err(input.invalid_at(offset, "sorted set with a member that comes twice"));
        }
    }
    let mut value = ZsetValue::Tree(PoolBox::new(builder.finish()));
    value.convert_if_small(options.limits);
    Ok(value)
}

/// Checks that a listpack holds members and scores by turns, and takes it as the set or makes a tree of it. Lookups by
/// score rely on the order, so that what is out of order is put in order whether or not sanitising is asked for.
fn finish_packed(
    listpack: Listpack,
    offset: u64,
    input: &rdb::Decoder<'_>,
    options: &LoadOptions<'_>,
) -> rdb::Result<ZsetValue> {
    let len = listpack.len();
    if !len.is_multiple_of(2) {
        return Err(input.invalid_at(offset, "sorted set with a member without a score"));
    }
    let Some(in_order) = packed::checked_order(&listpack) else {
        return Err(input.invalid_at(offset, "sorted set with a score that is not a number"));
    };
    if options.sanitize && has_duplicates(&listpack, 2) {
        return Err(input.invalid_at(offset, "sorted set with a member that comes twice"));
    }
    if in_order && len / 2 <= options.limits.zset_max_listpack_entries {
        return Ok(ZsetValue::Listpack(listpack));
    }
    let mut value = ZsetValue::Tree(PoolBox::new(tree_of(&listpack)));
    value.convert_if_small(options.limits);
    Ok(value)
}

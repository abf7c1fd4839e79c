//! Sets in RDB: an intset as its bytes, a listpack too where the version has it, anything else member by member.

use std::io;

use super::encoding::intset_holds;
use super::{Member, SetValue, SetView, insert, members_of};
use crate::rdb;
use crate::structures::PoolBox;
use crate::structures::intset::{self, Intset, IntsetView};
use crate::structures::listpack::Listpack;
use crate::types::{LoadOptions, View as _, packed};

/// The fewest bytes that a member takes in a file, on average over a set whose table is worth sizing ahead.
const MEMBER_BYTES_USUAL: usize = 4;

pub fn save(view: SetView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match view {
        SetView::Intset(intset) => out.string(intset.as_bytes()),
        SetView::Listpack(listpack) if view.tag(out.version()) == rdb::Tag::SetListpack => {
            out.string(listpack.as_bytes())
        }
        SetView::Listpack(listpack) => {
            out.length(listpack.len() as u64)?;
            listpack.iter().try_for_each(|member| save_member(member, out))
        }
        SetView::Hashtable(members) => {
            out.length(members.len() as u64)?;
            members.iter().try_for_each(|member| save_member(member.get(), out))
        }
    }
}

#[inline]
fn save_member(member: Member<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match member {
        Member::Int(number) => out.integer(number),
        Member::Bytes(bytes) => out.string(bytes),
    }
}

pub fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<SetValue> {
    match tag {
        rdb::Tag::SetIntset => load_intset(input, options),
        rdb::Tag::SetListpack => load_listpack(input, options),
        _ => load_members(input, options),
    }
}

fn load_members(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<SetValue> {
    let count = input.count(1)?;
    let mut set = SetValue::new();
    if !intset_holds(count, options.limits) {
        // What is sized ahead is no more than what the bytes that are left can back.
        set.make_hashtable().reserve(count.min(input.remaining() / MEMBER_BYTES_USUAL));
    }
    let mut scratch = Vec::new();
    for _ in 0..count {
        let offset = input.offset();
        let member = input.string_in(&mut scratch)?;
        let added = match &mut set {
            SetValue::Hashtable(members) => insert(members, member),
            compact => compact.add(member, options.limits),
        };
        if !added {
            return Err(input.invalid_at(offset, "a member that the set has already"));
        }
    }
    Ok(set)
}

fn load_intset(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<SetValue> {
    let offset = input.offset();
    let bytes = input.string()?;
    // Lookups rely on the order, so that it is looked at whether or not sanitising is asked for.
    if intset::validate(&bytes, true).is_err() {
        return Err(input.invalid_at(offset, "a malformed intset"));
    }
    let intset = IntsetView::from_trusted(&bytes);
    if intset_holds(intset.len(), options.limits) {
        return Ok(SetValue::Intset(Intset::from_bytes(&bytes)));
    }
    Ok(SetValue::Hashtable(PoolBox::new(members_of(SetView::Intset(intset)))))
}

fn load_listpack(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<SetValue> {
    let offset = input.offset();
    let bytes = input.string()?;
    let checked = packed::listpack(&bytes, 1).map(|listpack| packed::has_duplicates(listpack, 1));
    match checked {
        None => return Err(input.invalid_at(offset, "a malformed listpack")),
        Some(true) => return Err(input.invalid_at(offset, "a member that the set has already")),
        Some(false) => {}
    }
    let mut set = SetValue::Listpack(Listpack::from_bytes(&bytes));
    if set.len() > options.limits.set_max_listpack_entries {
        set.make_hashtable();
    }
    Ok(set)
}

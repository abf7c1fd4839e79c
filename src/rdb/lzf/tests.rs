use proptest::prelude::*;

use super::compressor::FAILURES_PER_THOROUGH_SEARCH;
use super::small::{SMALL_INPUT_BYTES_MAX, Small};
use super::stretches::{STRETCH, STRETCHED_BYTES_MAX, STRETCHED_BYTES_MIN, Stretches};
use super::*;
use crate::rdb::Tag;

fn round_trip(compressor: &mut Compressor, input: &[u8]) -> bool {
    let mut packed = b"left from before".to_vec();
    if !compressor.compress(input, &mut packed) {
        assert!(packed.is_empty());
        return false;
    }
    assert!(packed.len() + SAVING_MIN <= input.len());
    let mut out = b"left from before".to_vec();
    decompress(&packed, input.len() as u64, &mut out).unwrap();
    assert_eq!(out, input);
    // The oracle is named from the root, since this module bears the same name.
    assert_eq!(::lzf::decompress(&packed, input.len()).unwrap(), input);
    true
}

#[test]
fn what_repeats_shrinks_and_what_is_random_does_not() {
    let mut compressor = Compressor::new();
    assert!(round_trip(&mut compressor, &[b'a'; 21]));
    assert!(round_trip(&mut compressor, &[0; 100_000]));
    assert!(round_trip(&mut compressor, br#"{"user_id":1001,"user_name":"user_1001","user_mail":"user_1001@mail"}"#));
    assert!(!round_trip(&mut compressor, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    let random: Vec<u8> = (0..10_000u64).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()).collect();
    assert!(!round_trip(&mut compressor, &random[..100]));
    for short in 0..=SAVING_MIN + MATCH_MIN {
        assert!(!round_trip(&mut compressor, &vec![b'a'; short]));
    }
}

#[test]
fn every_distance_and_match_length_comes_back() {
    let mut compressor = Compressor::new();
    let noise: Vec<u8> = (0..9000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for distance in [1, 2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 8191, 8192, 8193, 9000] {
        for length in [3, 4, 7, 8, 9, 10, 263, 264, 265, 266, 300, 600] {
            let mut input = noise[..distance].to_vec();
            for at in 0..length {
                input.push(input[at]);
            }
            input.extend_from_slice(b"end");
            round_trip(&mut compressor, &input);
        }
    }
}

#[test]
fn the_table_is_cleared_before_positions_wrap() {
    let mut compressor = Compressor::new();
    let text = b"the same words again and again, the same words again and again";
    assert!(round_trip(&mut compressor, text));
    compressor.histories[0].won = 256;
    compressor.base = u32::MAX - 100;
    assert!(round_trip(&mut compressor, text));
    assert!(compressor.base < 3 * DISTANCE_MAX as u32);
    assert!(round_trip(&mut compressor, text));
}

#[test]
fn after_much_that_does_not_compress_the_first_that_does_is_noticed_before_long() {
    let mut compressor = Compressor::new();
    let mut out = Vec::new();
    for seed in 0..1000u64 {
        let mut state = seed + 1;
        let random: Vec<u8> = (0..100)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        compressor.compress(&random, &mut out);
    }
    let json = br#"{"id":7,"name":"anna","mail":"anna@mail.example","boss":"anna","town":"anna-town"}"#;
    let tries = (0..FAILURES_PER_THOROUGH_SEARCH).take_while(|_| !compressor.compress(json, &mut out)).count();
    assert!(tries < FAILURES_PER_THOROUGH_SEARCH as usize);
    assert!(compressor.compress(json, &mut out));
}

/// A generator of the tests' texts.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    fn word(&mut self) -> String {
        (0..3 + self.below(6)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    fn noise(&mut self) -> Vec<u8> {
        (0..20 + self.below(200)).map(|_| self.below(256) as u8).collect()
    }

    /// Half of it repeats.
    fn repetitive(&mut self) -> Vec<u8> {
        let (name, number) = (self.word(), self.below(1000));
        format!(
            r#"{{"user_id":{number},"user_name":"{name}-{number}","user_mail":"{name}-{number}@mail","user_boss":"{name}-{number}"}}"#
        )
        .into_bytes()
    }

    /// A document of random words, of which LZF wins a few percent.
    fn document(&mut self) -> Vec<u8> {
        let (first, last) = (self.word(), self.word());
        let note: Vec<_> = (0..5).map(|_| self.word()).collect();
        format!(
            r#"{{"first_name":"{first}","last_name":"{last}","mail":"{last}@{}.com","town":"{}","note":"{}"}}"#,
            self.word(),
            self.word(),
            note.join(" ")
        )
        .into_bytes()
    }
}

/// `length` bytes of which so many percent begin a repetition of something before them, and the others are noise.
fn noise_that_repeats(random: &mut Random, length: usize, percent: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length);
    while text.len() < length {
        if text.len() > 3 && random.below(100) < percent {
            let distance = 1 + random.below(text.len().min(DISTANCE_MAX + 100));
            for _ in 0..3 + random.below(12) {
                text.push(text[text.len() - distance]);
            }
        } else {
            text.push(random.below(256) as u8);
        }
    }
    text.truncate(length);
    text
}

#[test]
fn long_strings_come_back_however_much_of_them_repeats() {
    let mut random = Random(13);
    let (least, most) = (STRETCHED_BYTES_MIN, STRETCHED_BYTES_MAX);
    for percent in [0, 1, 2, 5, 20, 60, 95] {
        let mut compressor = Compressor::new();
        for length in [least - 1, least, least + 1, least + STRETCH + 6, 4_000, 8_191, 9_000, most - 1, most, most + 1]
        {
            let mut input = noise_that_repeats(&mut random, length, percent);
            round_trip(&mut compressor, &input);
            // What the compressor still has of the input before must not be taken for a part of this one.
            input[length / 2] ^= 1;
            let is_compressed = round_trip(&mut compressor, &input);
            assert!(is_compressed == (percent > 1) || (1..5).contains(&percent), "{percent} percent of {length} bytes");
        }
    }
}

/// A node of a list of tokens that have a few bytes in common.
fn tokens(random: &mut Random) -> Vec<u8> {
    let token = |random: &mut Random| format!("item:{:08x}{:08x}", random.0 >> 32, random.below(1 << 31));
    (0..350).flat_map(|_| token(random).into_bytes()).collect()
}

#[test]
fn stretches_find_what_a_search_by_positions_finds() {
    let mut random = Random(17);
    let mut out = vec![0; Compressor::room(STRETCHED_BYTES_MAX)];
    for input in [tokens(&mut random), (0..60).flat_map(|_| random.document()).collect()] {
        let by_stretches = Stretches::new().compress(&input, &mut out).unwrap();
        let by_positions = Compressor::new().compress_by_table(0, &input, &mut out).unwrap();
        assert!(by_stretches * 100 < by_positions * 102, "{by_stretches} and {by_positions} of {} bytes", input.len());
    }
}

#[test]
fn small_strings_come_back_however_much_of_them_repeats() {
    let mut random = Random(19);
    let (mut small, mut out, mut back) = (Small::new(), vec![0; Compressor::room(SMALL_INPUT_BYTES_MAX)], Vec::new());
    for percent in [0, 5, 30, 95, 100] {
        for length in SAVING_MIN + MATCH_MIN + 1..=SMALL_INPUT_BYTES_MAX {
            let input = if percent < 100 { noise_that_repeats(&mut random, length, percent) } else { vec![0; length] };
            match small.compress(&input, &mut out) {
                Some(used) => {
                    decompress(&out[..used], length as u64, &mut back).unwrap();
                    assert_eq!(back, input);
                }
                None => assert!(percent < 95 || length < 30, "{percent} percent of {length} bytes"),
            }
        }
    }
}

#[test]
fn a_small_string_ends_where_it_ends_though_what_an_earlier_one_left_behind_it_repeats() {
    let mut random = Random(29);
    let (mut small, mut out, mut back) = (Small::new(), vec![0; Compressor::room(SMALL_INPUT_BYTES_MAX)], Vec::new());
    let (mut tried, mut compressed) = (0, 0);
    for length in 60..SMALL_INPUT_BYTES_MAX - 12 {
        for within in 4..12 {
            let mut input: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            input.copy_within(..12, 24);
            // The first bytes come again, so many of them within the shorter string.
            input.truncate(length - within);
            input.extend_from_within(..12);
            for input in [&*input, &input[..length]] {
                tried += 1;
                let Some(used) = small.compress(input, &mut out) else { continue };
                decompress(&out[..used], input.len() as u64, &mut back).unwrap();
                assert_eq!(back, input);
                compressed += 1;
            }
        }
    }
    assert!(compressed * 2 > tried, "{compressed} of {tried}");
}

#[test]
fn few_lookups_find_most_of_what_a_search_by_positions_finds_in_documents() {
    let mut random = Random(23);
    let mut out = vec![0; Compressor::room(SMALL_INPUT_BYTES_MAX)];
    let (mut by_lookups, mut by_positions, mut small, mut table) = (0, 0, Small::new(), Compressor::new());
    for document in (0..3000).map(|_| random.document()) {
        by_lookups += small.compress(&document, &mut out).unwrap_or(document.len());
        by_positions += table.compress_by_table(0, &document, &mut out).unwrap_or(document.len());
    }
    assert!(by_lookups * 100 < by_positions * 101, "{by_lookups} and {by_positions}");
}

/// How many bytes these take, each compressed where that is of use, by one compressor or by a new one for each.
fn stored(inputs: &[Vec<u8>], remembers: bool) -> usize {
    let (mut compressor, mut out) = (Compressor::new(), Vec::new());
    let mut one = |input: &Vec<u8>| {
        if !remembers {
            compressor = Compressor::new();
        }
        if compressor.compress(input, &mut out) { out.len() } else { input.len() }
    };
    inputs.iter().map(&mut one).sum()
}

#[test]
fn what_compresses_is_compressed_among_what_does_not() {
    for noise_among_ten in [1, 3, 5, 7] {
        let mut random = Random(7);
        let inputs: Vec<_> = (0..3000)
            .map(|_| if random.below(10) < noise_among_ten { random.noise() } else { random.repetitive() })
            .collect();
        let raw: usize = inputs.iter().map(Vec::len).sum();
        let (best, ours) = (raw - stored(&inputs, false), raw - stored(&inputs, true));
        assert!(best > raw / 20 && ours * 100 > best * 97, "{ours} of {best} bytes are saved");
    }
}

#[test]
fn a_few_percent_are_won_of_each_document() {
    let mut random = Random(11);
    let documents: Vec<_> = (0..3000).map(|_| random.document()).collect();
    let raw: usize = documents.iter().map(Vec::len).sum();
    let (best, ours) = (raw - stored(&documents, false), raw - stored(&documents, true));
    assert!(best > raw / 50 && ours * 100 > best * 95, "{ours} of {best} bytes are saved");
}

#[test]
fn each_kind_is_judged_by_its_own_strings() {
    let mut compressor = Compressor::new();
    let (list, hash) = (Kind::of_values(Tag::ListQuicklist2), Kind::of_values(Tag::HashListpack));
    let noise: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let json = br#"{"id":7,"name":"anna","mail":"anna@mail.example","boss":"anna","town":"anna-town"}"#;
    let mut out = vec![0; Compressor::room(noise.len())];
    for _ in 0..100 {
        assert_eq!(compressor.compress_into(&noise, list, &mut out), None);
        assert!(compressor.compress_into(json, hash, &mut out).is_some());
    }
    let failures = |kind: Kind| compressor.histories[usize::from(kind.0)].failures;
    assert_eq!((failures(list), failures(hash)), (100, 0));
}

#[test]
fn claims_that_no_input_can_keep_are_refused_without_allocating() {
    let mut out = Vec::new();
    for claimed in [89, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        assert_eq!(decompress(b"\x00", claimed, &mut out), Err(Error::ImpossibleLength { claimed }));
    }
    assert_eq!(out.capacity(), 0);
}

#[test]
fn each_way_to_be_corrupt_has_its_error() {
    let mut out = Vec::new();
    assert_eq!(decompress(b"\x05ab", 6, &mut out), Err(Error::Truncated));
    assert_eq!(decompress(b"\x00a\x20", 4, &mut out), Err(Error::Truncated));
    assert_eq!(decompress(b"\x00a\xE0\x00", 10, &mut out), Err(Error::Truncated));
    assert_eq!(decompress(b"\x00a\x20\x01", 4, &mut out), Err(Error::ReferenceBeforeStart));
    assert_eq!(decompress(b"\x00a\x20\x00", 3, &mut out), Err(Error::TooLong { claimed: 3, actual: 4 }));
    assert_eq!(decompress(b"\x01ab", 1, &mut out), Err(Error::TooLong { claimed: 1, actual: 2 }));
    assert_eq!(decompress(b"\x00a\x20\x00", 5, &mut out), Err(Error::TooShort { claimed: 5, actual: 4 }));
    assert!(out.is_empty());
    assert_eq!(decompress(b"\x00a\x20\x00", 4, &mut out), Ok(()));
    assert_eq!(out, b"aaaa");
}

/// Text made of few words, so that it has references of all kinds.
fn repetitive() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "[a-c]{1,4}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..40),
        (any::<u8>(), 1usize..700).prop_map(|(byte, count)| vec![byte; count]),
    ];
    (prop::collection::vec(word, 1..8), prop::collection::vec(any::<prop::sample::Index>(), 1..80))
        .prop_map(|(words, order)| order.iter().flat_map(|index| words[index.index(words.len())].clone()).collect())
}

proptest! {
    #[test]
    fn whatever_is_compressed_comes_back(inputs in prop::collection::vec(repetitive(), 1..6)) {
        let mut compressor = Compressor::new();
        for input in &inputs {
            round_trip(&mut compressor, input);
        }
    }

    #[test]
    fn what_another_compressor_made_is_read(input in repetitive()) {
        // That compressor panics on some input, which says nothing about what is tested here.
        if let Ok(Ok(packed)) = std::panic::catch_unwind(|| ::lzf::compress(&input)) {
            let mut out = Vec::new();
            prop_assert_eq!(decompress(&packed, input.len() as u64, &mut out), Ok(()));
            prop_assert_eq!(out, input);
        }
    }

    #[test]
    fn any_bytes_are_judged_as_the_other_decompressor_judges_them(
        input in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8, Just(0x20), Just(0xE0)], 0..60),
        length in 0usize..300,
    ) {
        let mut out = Vec::new();
        let ours = decompress(&input, length as u64, &mut out).is_ok();
        let theirs = std::panic::catch_unwind(|| ::lzf::decompress(&input, length));
        if let Ok(Ok(theirs)) = theirs && theirs.len() == length && length > 0 {
            prop_assert!(ours);
            prop_assert_eq!(out, theirs);
        } else if length > 0 {
            prop_assert!(!ours);
        }
    }
}

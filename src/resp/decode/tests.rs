use proptest::prelude::*;

use super::*;

/// Feeds `chunks` one by one into a buffer that is compacted after each frame, as a connection does.
fn decode_chunks<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
    let mut decoder = Decoder::new();
    let mut buf = Vec::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        buf.extend_from_slice(chunk);
        loop {
            let consumed = match decoder.decode(&buf, limits)? {
                Step::Incomplete { need_hint } => {
                    assert!(need_hint > 0);
                    break;
                }
                Step::Empty { consumed } => {
                    assert!(decoder.args(&buf).is_empty());
                    consumed
                }
                Step::Frame { consumed } => {
                    let args = decoder.args(&buf);
                    assert!(!args.is_empty());
                    frames.push(args.iter().map(<[u8]>::to_vec).collect());
                    consumed
                }
            };
            assert!(consumed > 0 && consumed <= buf.len());
            buf.drain(..consumed);
        }
    }
    Ok(frames)
}

fn decode_all(bytes: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
    decode_chunks([bytes], &Limits::default())
}

fn error_of(bytes: &[u8], limits: &Limits) -> String {
    decode_chunks([bytes], limits).expect_err("the bytes break the protocol").to_string()
}

const PIPELINE: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$11\r\nhello\r\nwo\r\n\r\n\
    \r\nPING\r\n*0\r\n*-1\r\n   set \"a\\x00\\n\" 'b c'\n*1\r\n$0\r\n\r\n\n*2\r\n$4\r\nECHO\r\n$12\r\n*1\r\n$3\r\nfoo\n\r\nGET x\n";

fn pipeline_frames() -> Vec<Vec<Vec<u8>>> {
    let frames: [&[&[u8]]; 6] = [
        &[b"SET", b"key", b"hello\r\nwo\r\n"],
        &[b"PING"],
        &[b"set", b"a\x00\n", b"b c"],
        &[b""],
        &[b"ECHO", b"*1\r\n$3\r\nfoo\n"],
        &[b"GET", b"x"],
    ];
    frames.map(|frame| frame.iter().map(|arg| arg.to_vec()).collect()).to_vec()
}

#[test]
fn a_mixed_pipeline_decodes_alike_at_every_split() {
    assert_eq!(decode_all(PIPELINE).unwrap(), pipeline_frames());
    for first in 0..=PIPELINE.len() {
        for second in first..=PIPELINE.len() {
            let chunks = [&PIPELINE[..first], &PIPELINE[first..second], &PIPELINE[second..]];
            assert_eq!(decode_chunks(chunks, &Limits::default()).unwrap(), pipeline_frames(), "{first} {second}");
        }
    }
    let bytes = PIPELINE.chunks(1);
    assert_eq!(decode_chunks(bytes, &Limits::default()).unwrap(), pipeline_frames());
}

#[test]
fn each_breach_of_the_protocol_has_its_own_text() {
    let limits = Limits::default();
    for (bytes, text) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"* 1\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*9223372036854775808\r\n", "invalid multibulk length"),
        (b"*20000000000000000000000000000\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$03\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (b"set \"x\r\n", "unbalanced quotes in request"),
        (b"set 'x\r\n", "unbalanced quotes in request"),
        (b"set \"x\"y\r\n", "unbalanced quotes in request"),
    ] {
        assert_eq!(
            error_of(bytes, &limits),
            format!("Protocol error: {text}"),
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn a_header_or_line_without_end_is_refused_beyond_its_limit() {
    let limits = Limits::default();
    let endless = |start: &[u8], byte: u8| {
        let mut bytes = start.to_vec();
        let begun = start.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        bytes.resize(begun + limits.inline_bytes_max, byte);
        assert_eq!(decode_chunks([&bytes[..]], &limits), Ok(vec![]), "the limit itself is allowed");
        bytes.push(byte);
        error_of(&bytes, &limits)
    };
    assert_eq!(endless(b"", b'x'), "Protocol error: too big inline request");
    assert_eq!(endless(b"*", b'1'), "Protocol error: too big mbulk count string");
    assert_eq!(endless(b"*1\r\n$", b'1'), "Protocol error: too big bulk count string");
}

#[test]
fn a_client_that_has_yet_to_authenticate_may_send_little() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    assert_eq!(error_of(b"*11\r\n", &limits), "Protocol error: unauthenticated multibulk length");
    assert_eq!(error_of(b"*2\r\n$16385\r\n", &limits), "Protocol error: unauthenticated bulk length");
    assert_eq!(decode_chunks([&b"*10\r\n$16384\r\n"[..]], &limits), Ok(vec![]));
    assert_eq!(decode_chunks([&b"*1\r\n$4\r\nPING\r\n"[..]], &limits).unwrap().len(), 1);
}

#[test]
fn an_unexpected_byte_is_quoted_back_as_it_came() {
    let error = decode_all(b"*1\r\n\xffoo\r\n").unwrap_err();
    assert_eq!(error.reply_text(), b"ERR Protocol error: expected '$', got '\xff'");
    let error = decode_all(b"*1\r\n$-1\r\n").unwrap_err();
    assert_eq!(error.reply_text(), b"ERR Protocol error: invalid bulk length");
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let mut decoder = Decoder::new();
    let buf = b"*2147483647\r\n$536870912\r\nx";
    assert_eq!(decoder.decode(buf, &Limits::default()), Ok(Step::Incomplete { need_hint: 536_870_912 + 2 - 1 }));
    assert!(decoder.memory_usage() < 4096);
    assert!(decoder.is_mid_frame());
}

#[test]
fn the_hint_is_what_is_missing_for_certain() {
    let limits = Limits::default();
    let whole = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
    for len in 0..whole.len() {
        let Ok(Step::Incomplete { need_hint }) = Decoder::new().decode(&whole[..len], &limits) else {
            panic!("{len} bytes are not the whole frame");
        };
        assert!(len + need_hint <= whole.len(), "{len}: {need_hint}");
    }
}

#[test]
fn a_frame_of_unusual_size_leaves_no_allocation_behind() {
    let mut decoder = Decoder::new();
    let mut bytes = b"*100000\r\n".to_vec();
    for _ in 0..100_000 {
        bytes.extend_from_slice(b"$1\r\nx\r\n");
    }
    assert_eq!(decoder.decode(&bytes, &Limits::default()), Ok(Step::Frame { consumed: bytes.len() }));
    assert_eq!(decoder.args(&bytes).len(), 100_000);
    let mut line = vec![b'x'; 50_000];
    line.push(b'\n');
    assert_eq!(decoder.decode(&line, &Limits::default()), Ok(Step::Frame { consumed: line.len() }));
    assert_eq!(decoder.decode(b"PING\r\n", &Limits::default()), Ok(Step::Frame { consumed: 6 }));
    assert!(decoder.memory_usage() < 64 * 1024, "{}", decoder.memory_usage());
}

fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend(format!("${}\r\n", arg.len()).bytes());
        bytes.extend(arg);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// A decoder that has had a frame of so many arguments, and may note as many at once.
fn used_decoder(args: usize) -> Decoder {
    let mut decoder = Decoder::new();
    let bytes = encode(&vec![Vec::new(); args]);
    decoder.decode(&bytes, &Limits::default()).expect("the bytes are well-formed");
    assert_eq!(decoder.args(&bytes).len(), args);
    decoder
}

#[test]
fn usual_frames_are_read_at_once() {
    let limits = Limits::default();
    for count in [1, 2, 3, 9, 10, 11, 99, 100, 1000] {
        for len in [0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000] {
            let bytes = encode(&vec![vec![b'x'; len]; count]);
            let mut decoder = used_decoder(1000);
            assert_eq!(decoder.decode_whole(&bytes, &limits), Some(bytes.len()), "{count} of {len}");
            assert!(decoder.args(&bytes).iter().all(|arg| arg.len() == len));
            assert_eq!(used_decoder(count - 1).decode_whole(&bytes, &limits), None, "no slots for a claim of {count}");
            for end in [bytes.len() - 1, bytes.len() - 2, bytes.len() / 2, 3, 0] {
                assert_eq!(decoder.decode_whole(&bytes[..end], &limits), None);
            }
        }
    }
}

#[test]
fn limits_hold_for_frames_that_are_read_at_once() {
    let bytes = encode(&vec![vec![b'x'; 20]; 12]);
    let taken = |limits: Limits| used_decoder(12).decode_whole(&bytes, &limits).is_some();
    assert!(taken(Limits { bulk_bytes_max: 20, multibulk_max: 12, ..Limits::default() }));
    assert!(!taken(Limits { bulk_bytes_max: 19, ..Limits::default() }));
    assert!(!taken(Limits { multibulk_max: 11, ..Limits::default() }));
    assert!(!taken(Limits { authenticated: false, ..Limits::default() }));
}

/// Gives two decoders, one of which reads everything in steps, the same bytes up to each of `ends`, and compares all that
/// they say.
fn compare_with_steps(mut quick: Decoder, bytes: &[u8], ends: impl Iterator<Item = usize>, limits: &Limits) {
    let mut steps = Decoder::new();
    let mut start = 0;
    for end in ends {
        loop {
            let buf = &bytes[start..end];
            let step = quick.decode(buf, limits);
            assert_eq!(step, steps.decode_in_steps(buf, limits));
            assert_eq!((quick.is_mid_frame(), quick.taken_in()), (steps.is_mid_frame(), steps.taken_in()));
            match step {
                Ok(Step::Frame { consumed } | Step::Empty { consumed }) => {
                    assert!(quick.args(buf).iter().eq(steps.args(buf)));
                    start += consumed;
                }
                Ok(Step::Incomplete { .. }) => break,
                Err(_) => return,
            }
        }
    }
}

/// Frames of all widths of headers, now and then an inline command between them.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let arg_len = || prop_oneof![8 => 0usize..20, 2 => 95usize..105, 1 => 990usize..1010];
    let arg = || arg_len().prop_map(|len| vec![b'x'; len]);
    let frame = prop_oneof![
        8 => proptest::collection::vec(arg(), 0..5).prop_map(|args| encode(&args)),
        2 => proptest::collection::vec(arg(), 5..14).prop_map(|args| encode(&args)),
        1 => (95usize..105).prop_map(|count| encode(&vec![b"y".to_vec(); count])),
        1 => "[a ]{0,9}\r?\n".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(frame, 1..8).prop_map(|frames| frames.concat())
}

/// Replaces, removes or inserts a byte.
fn mutate(bytes: &mut Vec<u8>, at: prop::sample::Index, with: Option<u8>, inserts: bool) {
    let at = at.index(bytes.len());
    match with {
        Some(byte) if inserts => bytes.insert(at, byte),
        Some(byte) => bytes[at] = byte,
        None if bytes.len() > 1 => drop(bytes.remove(at)),
        None => {}
    }
}

proptest! {
    #[test]
    fn frames_read_at_once_are_what_steps_make_of_them(
        bytes in frames(),
        mutations in proptest::collection::vec(
            (any::<prop::sample::Index>(), proptest::option::of(proptest::sample::select(b"*$\r\n0123456789-x\xff".to_vec())), any::<bool>()),
            0..4,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        (authenticated, is_used) in (proptest::bool::weighted(0.8), any::<bool>()),
        bulk_bytes_max in proptest::sample::select(vec![0, 5, 9, 10, 99, 100, 1000, 512 << 20]),
        multibulk_max in proptest::sample::select(vec![0, 1, 3, 9, 10, 99, 100, i32::MAX as usize]),
        inline_bytes_max in proptest::sample::select(vec![4, 64 * 1024]),
    ) {
        let mut bytes = bytes;
        for (at, with, inserts) in mutations {
            mutate(&mut bytes, at, with, inserts);
        }
        let quick = || if is_used { used_decoder(120) } else { Decoder::new() };
        for limits in [
            Limits { authenticated, bulk_bytes_max, multibulk_max, inline_bytes_max },
            Limits { authenticated, ..Limits::default() },
        ] {
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            compare_with_steps(quick(), &bytes, ends.into_iter(), &limits);
            compare_with_steps(quick(), &bytes, 0..=bytes.len(), &limits);
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same(
        frames in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6), 0..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| encode(frame)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(decode_chunks(chunks, &Limits::default()).unwrap(), frames);
    }

    #[test]
    fn an_inline_command_splits_as_any_line_of_arguments(line in "[ab \t\r\x0b\x00'\"\\\\]{0,12}") {
        let bytes = format!("{line}\n").into_bytes();
        let expected = split_args(line.strip_suffix('\r').unwrap_or(&line).as_bytes());
        match (decode_all(&bytes), expected) {
            (Ok(frames), Some(args)) => prop_assert_eq!(frames.concat(), args),
            (Err(error), None) => prop_assert_eq!(error, ProtocolError::UnbalancedQuotes),
            (decoded, expected) => prop_assert!(false, "{:?} {:?}", decoded, expected),
        }
    }

    #[test]
    fn random_bytes_never_panic_and_decode_alike_in_pieces(
        bytes in proptest::collection::vec(prop_oneof![
            4 => proptest::sample::select(b"*$\r\n0123456789-".to_vec()),
            1 => any::<u8>(),
        ], 0..80),
        size in 1usize..8,
        authenticated: bool,
    ) {
        let limits = Limits { authenticated, inline_bytes_max: 16, bulk_bytes_max: 40, ..Limits::default() };
        let whole = decode_chunks([&bytes[..]], &limits);
        let pieces = decode_chunks(bytes.chunks(size), &limits);
        // A line without end is noticed once its limit is passed, which depends on how much came at once.
        if let (Ok(whole), Ok(pieces)) = (&whole, &pieces) {
            prop_assert_eq!(whole, pieces);
        }
    }
}

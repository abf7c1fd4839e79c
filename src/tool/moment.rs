//! Moments as people read and write them.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::stdx::clock::Now;

/// Milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(pub i64);

/// Unix times from here on are in milliseconds: as seconds they would lie beyond the year 5000.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// `2026-12-31 18:00:00 UTC`. What no calendar has is shown as its number.
pub fn shown_moment(unix_ms: i64) -> String {
    match Timestamp::from_millisecond(unix_ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{unix_ms} ms"),
    }
}

/// `2026-12-31T18:00:00.123Z`, which programs and spreadsheets read. Nothing for what no calendar has.
pub fn iso_moment(unix_ms: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ms);
    time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()).unwrap_or_default()
}

/// Reads `now`, a time from now, a date, a date and time, or a unix time. Without a time zone, it is UTC.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    let now_ms = Now::read().unix_ms;
    if text == "now" {
        return Ok(Moment(now_ms));
    }
    if let Ok(number) = text.parse::<u64>() {
        let scale = if number < MILLISECONDS_FROM { 1000 } else { 1 };
        return i64::try_from(number.saturating_mul(scale)).map(Moment).map_err(|_| "it is too far away".to_owned());
    }
    if let Some(from_now_ms) = parse_span(text) {
        return Ok(Moment(now_ms.saturating_add(from_now_ms)));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Moment(time.as_millisecond()));
    }
    let civil = text.parse::<civil::DateTime>().or_else(|_| text.parse::<civil::Date>().map(civil::DateTime::from));
    match civil.and_then(|civil| civil.to_zoned(TimeZone::UTC)) {
        Ok(time) => Ok(Moment(time.timestamp().as_millisecond())),
        Err(_) => Err("give now, 7d, 2026-12-31, 2026-12-31T18:00:00Z or a unix time".to_owned()),
    }
}

/// `90s`, `30m`, `12h` and `7d` in milliseconds.
fn parse_span(text: &str) -> Option<i64> {
    let unit_ms = match text.as_bytes().last()? {
        b's' => 1000,
        b'm' => 60_000,
        b'h' => 3_600_000,
        b'd' => 86_400_000,
        _ => return None,
    };
    let number: u32 = text.get(..text.len() - 1)?.parse().ok()?;
    Some(i64::from(number).saturating_mul(unit_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form_and_shown_in_utc() {
        for (text, unix_ms) in [
            ("0", 0),
            ("1767139200", 1_767_139_200_000),
            ("1767139200123", 1_767_139_200_123),
            ("2025-12-31", 1_767_139_200_000),
            ("2025-12-31T00:00:01", 1_767_139_201_000),
            ("2025-12-31 00:00:01", 1_767_139_201_000),
            ("2025-12-31T01:00:00+01:00", 1_767_139_200_000),
            ("2025-12-31T00:00:00.5Z", 1_767_139_200_500),
        ] {
            assert_eq!(parse_moment(text), Ok(Moment(unix_ms)), "{text}");
        }
        let now = parse_moment("now").expect("a moment").0;
        let later = parse_moment("2h").expect("a moment").0;
        assert!((7_200_000..7_300_000).contains(&(later - now)));
        for text in ["", "tomorrow", "-5", "d", "2025-13-01", "99999999999999999999"] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
        assert_eq!(shown_moment(1_767_139_200_123), "2025-12-31 00:00:00 UTC");
        assert_eq!(iso_moment(1_767_139_200_123), "2025-12-31T00:00:00.123Z");
        assert_eq!(shown_moment(i64::MAX), "9223372036854775807 ms");
        assert_eq!(iso_moment(i64::MIN), "");
    }
}

//! Ids and timestamps as the database holds them, written without allocating.

use chrono::{DateTime, Datelike, Timelike, Utc};
use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A UUID, lower case and hyphenated.
pub(super) struct Id([u8; 36]);

impl Id {
    pub(super) fn new(id: Uuid) -> Id {
        let mut text = [0; 36];
        id.hyphenated().encode_lower(&mut text);
        Id(text)
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

/// RFC 3339 in UTC with six decimals, e.g. `2026-11-21T03:11:15.000042Z`. Of one width, so that text order is time order.
pub(super) struct Stamp([u8; 27]);

impl Stamp {
    pub(super) fn new(time: DateTime<Utc>) -> Stamp {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put(&mut text[0..4], time.year().clamp(0, 9999).unsigned_abs());
        put(&mut text[5..7], time.month());
        put(&mut text[8..10], time.day());
        put(&mut text[11..13], time.hour());
        put(&mut text[14..16], time.minute());
        put(&mut text[17..19], time.second());
        // chrono counts a leap second as nanoseconds beyond a second.
        put(&mut text[20..26], (time.nanosecond() / 1_000).min(999_999));
        Stamp(text)
    }
}

impl ToSql for Stamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}

fn put(digits: &mut [u8], mut value: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789"[(value % 10) as usize];
        value /= 10;
    }
}

/// A JSON object. The empty one, which most are, costs nothing.
pub(super) fn json(map: &Map<String, Value>) -> std::borrow::Cow<'static, str> {
    if map.is_empty() { "{}".into() } else { serde_json::to_string(map).expect("keys are strings").into() }
}

/// The database's integers are signed.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_rfc_3339_with_microseconds() {
        for text in ["2026-11-21T03:11:15.000042Z", "1999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"] {
            let time: DateTime<Utc> = text.parse().unwrap();
            assert_eq!(Stamp::new(time).0, text.as_bytes());
        }
    }
}

//! The Date field (RFC 9110 section 6.6.1), formatted at most once a second and thread.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of an IMF-fixdate.
pub(crate) const DATE_BYTES: usize = 29;

thread_local! {
    static LAST: RefCell<(u64, [u8; DATE_BYTES])> = const { RefCell::new((u64::MAX, [0; DATE_BYTES])) };
}

/// Calls `with` with the current time as an IMF-fixdate.
pub(crate) fn now<T>(with: impl FnOnce(&[u8; DATE_BYTES]) -> T) -> T {
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(at, text)| {
        if *at != seconds {
            text.copy_from_slice(&imf_fixdate(now));
            *at = seconds;
        }
        with(text)
    })
}

fn imf_fixdate(time: SystemTime) -> [u8; DATE_BYTES] {
    let text = httpdate::fmt_http_date(time);
    text.as_bytes().try_into().expect("httpdate writes IMF-fixdate, which is 29 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn is_an_imf_fixdate() {
        let text = imf_fixdate(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(&text, b"Sun, 06 Nov 1994 08:49:37 GMT");
        now(|date| assert!(date.ends_with(b" GMT")));
    }
}

//! Writes replies, for handlers and tests.

use bytes::{BufMut, BytesMut};

use super::{Ctl, Drain};
use crate::tnetstring::{self, DECIMAL_MAX, Value, decimal, patch_length, reserve_length};

/// Appends a reply with `body` for each of `targets`; an empty body asks to close.
pub fn encode(sender: &str, targets: &[u64], body: &[u8], out: &mut BytesMut) {
    out.reserve(body.len().saturating_add(sender.len()).saturating_add(64));
    envelope(sender, b"", targets, out);
    out.extend_from_slice(body);
}

/// Appends a `ctl` reply with the keys that are set.
pub fn encode_ctl(sender: &str, targets: &[u64], ctl: Ctl, out: &mut BytesMut) {
    extended(sender, targets, "ctl", out, |out| {
        tnetstring::write_dict(out, |out| {
            if ctl.keep_alive {
                out.extend_from_slice(b"10:keep-alive,4:true!");
            }
            if let Some(credits) = ctl.credits {
                out.extend_from_slice(b"7:credits,");
                tnetstring::write_integer(out, credits);
            }
            if ctl.cancel {
                out.extend_from_slice(b"6:cancel,4:true!");
            }
        });
    });
}

/// Appends a `ctl` reply by which a handler asks for no more requests. With [`Drain::Holder`] each
/// of `targets` must be a connection of which it has an unanswered request; else they mean nothing,
/// and 0 will do.
pub fn encode_drain(sender: &str, targets: &[u64], drain: &Drain, out: &mut BytesMut) {
    extended(sender, targets, "ctl", out, |out| {
        tnetstring::write_dict(out, |out| {
            out.extend_from_slice(b"5:drain,");
            match drain {
                Drain::Holder => tnetstring::write_bool(out, true),
                Drain::Named(name) => tnetstring::write_bytes(out, name),
            }
        });
    });
}

/// Appends an extended reply for the filter `name`.
pub fn encode_filter(
    sender: &str,
    targets: &[u64],
    name: &str,
    args: &Value<'_>,
    out: &mut BytesMut,
) {
    extended(sender, targets, name, out, |out| tnetstring::write_value(out, args));
}

fn extended(
    sender: &str,
    targets: &[u64],
    name: &str,
    out: &mut BytesMut,
    args: impl FnOnce(&mut BytesMut),
) {
    envelope(sender, b"X ", targets, out);
    tnetstring::write_list(out, |out| {
        tnetstring::write_bytes(out, name.as_bytes());
        args(out);
    });
}

/// Appends `SENDER SP LENGTH:IDS, SP`.
fn envelope(sender: &str, mark: &[u8], targets: &[u64], out: &mut BytesMut) {
    out.extend_from_slice(sender.as_bytes());
    out.put_u8(b' ');
    let list_start = reserve_length(out);
    out.extend_from_slice(mark);
    for (index, target) in targets.iter().enumerate() {
        if index > 0 {
            out.put_u8(b' ');
        }
        out.extend_from_slice(decimal(*target, &mut [0; DECIMAL_MAX]));
    }
    patch_length(out, list_start);
    out.extend_from_slice(b", ");
}

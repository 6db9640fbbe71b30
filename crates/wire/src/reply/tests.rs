//! Replies: the grammar as a table, and round trips.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::tnetstring::TnetError;

fn parse(message: &[u8]) -> Result<Reply, ReplyError> {
    Reply::parse(&Bytes::copy_from_slice(message), TARGETS_MAX)
}

#[test]
fn addressees_of_what_is_cut() {
    for (begins, ids) in [
        ("A-1 1:1, x", &[1][..]),
        ("a 5:3 4 5, ", &[3, 4, 5]),
        ("a 9:3 40 500", &[3, 40]),
        ("a 9:3 40 ", &[3, 40]),
        ("a 9:3 40", &[3]),
        ("a 9:3", &[]),
        ("a 9:", &[]),
        ("a 6:3 40 5", &[3, 40, 5]),
        ("a 4:X 50, 9:3:ctl", &[50]),
        ("a 9:X 50 6", &[50]),
        ("a 9:3 x 5", &[]),
        ("a ", &[]),
        (" 1:1, x", &[]),
        ("", &[]),
        ("HTTP/1.1 200 OK", &[]),
    ] {
        assert_eq!(Reply::addressees(begins.as_bytes()).as_slice(), ids, "{begins:?}");
    }
}

#[test]
fn reads_replies() {
    let check = |message: &str, ids: &[u64], body: ReplyBody| {
        let reply = parse(message.as_bytes()).unwrap_or_else(|e| panic!("{message:?}: {e}"));
        assert_eq!((reply.targets.as_slice(), &reply.body), (ids, &body), "{message:?}");
    };
    let data = |text: &'static str| ReplyBody::Data(Bytes::from_static(text.as_bytes()));
    let ctl = |ctl| ReplyBody::Extended(Extended::Ctl(ctl));
    check("A-1 1:1, x", &[1], data("x"));
    check("a 5:3 4 5, x", &[3, 4, 5], data("x"));
    check("a 5:3 3 3, x", &[3, 3, 3], data("x"));
    check("a 3:10 , x", &[10], data("x"));
    check("a 002:14,  x", &[14], data(" x"));
    check("a 5:00026, ,", &[26], data(","));
    check("a 20:18446744073709551615, x", &[u64::MAX], data("x"));
    check("a 2:29, ", &[29], ReplyBody::Close);
    check("a 4:X 50, 9:3:ctl,0:}]", &[50], ctl(Ctl::default()));
    check(
        "a 7:X 5 123, 31:3:ctl,21:10:keep-alive,4:true!}]",
        &[5, 123],
        ctl(Ctl { keep_alive: true, ..Ctl::default() }),
    );
    check(
        "a 4:X 44, 32:3:ctl,22:10:keep-alive,5:false!}]",
        &[44],
        ctl(Ctl { keep_alive: true, ..Ctl::default() }),
    );
    check(
        "a 4:X 48, 26:3:ctl,16:7:credits,3:100#}]",
        &[48],
        ctl(Ctl { credits: Some(100), ..Ctl::default() }),
    );
    check(
        "a 4:X 45, 26:3:ctl,16:6:cancel,4:true!}]",
        &[45],
        ctl(Ctl { cancel: true, ..Ctl::default() }),
    );
    check("a 4:X 45, 27:3:ctl,17:6:cancel,5:false!}]", &[45], ctl(Ctl::default()));
    check("a 4:X 49, 20:3:ctl,10:3:zzz,1:1#}]", &[49], ctl(Ctl::default()));
    check("a 4:X 49, 26:3:ctl,16:5:drain,5:false!}]", &[49], ctl(Ctl::default()));
    let drain = |drain| ReplyBody::Extended(Extended::Drain(drain));
    check("a 4:X 49, 25:3:ctl,15:5:drain,4:true!}]", &[49], drain(Drain::Holder));
    let named = Drain::Named("h7".into());
    check("a 3:X 0, 23:3:ctl,13:5:drain,2:h7,}]", &[0], drain(named));
    let name = Bytes::from_static(b"nosuch");
    let filter = Extended::Filter { name, args: Bytes::from_static(b"1:1#") };
    assert_eq!(filter.args(), Value::Integer(1));
    check("a 4:X 52, 13:6:nosuch,1:1#]", &[52], ReplyBody::Extended(filter));
}

#[test]
fn refuses_what_is_no_reply() {
    let check = |message: &str, want: ReplyError| {
        assert_eq!(parse(message.as_bytes()), Err(want), "{message:?}");
    };
    for message in ["", " ", " 2:21, x", "a_b 2:20, x", "a.b 2:20, x", "a", "82-6", "\0"] {
        check(message, ReplyError::BadSender);
    }
    for message in ["hello world", "a ", "a 2", "a :1, x", "a -1:1, x", "a 2 :12, x"] {
        check(message, ReplyError::BadLength);
    }
    check("a 99999999999999999999:1, x", ReplyError::BadLength);
    for message in ["a 9:13, x", "a 1:13, x", "a 5:1 2", "a 1:1", "a 18446744073709551615:1, x"] {
        check(message, ReplyError::LengthMismatch);
    }
    for message in ["a 4:6  7, x", "a 3:8,9, x", "a 3: 11, x", "a 3:abc, x", "a 2:-1, x"] {
        check(message, ReplyError::BadId);
    }
    for message in ["a 4:11  , x", "a 4:x 59, x", "a 3:X59, x", "a 5:X  59, x", "a 4:59 X, x"] {
        check(message, ReplyError::BadId);
    }
    for message in ["a 0:, x", "a 1: , x", "a 1:X, x", "a 2:X , x"] {
        check(message, ReplyError::NoTargets);
    }
    check("a 20:18446744073709551616, x", ReplyError::IdTooBig);
    check("a 2:15,x", ReplyError::BodySeparator);
    check("a 2:15,", ReplyError::BodySeparator);
    check("a 4:X 60, ", ReplyError::ExtendedSyntax(TnetError::Truncated));
    check("a 4:X 60, hello", ReplyError::ExtendedSyntax(TnetError::LengthMissing(b'h')));
    check("a 4:X 55, 9:3:ctl,0:}]x", ReplyError::ExtendedTrailing);
    for body in ["10:3:ctl,1:1#}", "12:3:ctl,0:}0:}]", "7:1:1#0:}]", "6:3:ctl,]", "0:]"] {
        check(&format!("a 4:X 54, {body}"), ReplyError::ExtendedShape);
    }
    check("a 4:X 51, 10:3:ctl,1:x,]", ReplyError::CtlArgs);
    check("a 4:X 51, 24:3:ctl,14:7:credits,1:5,}]", ReplyError::CtlCredits);
}

#[test]
fn target_limit_is_exact() {
    let message = |count: usize| {
        let mut out = BytesMut::new();
        encode("a", &vec![7; count], b"x", &mut out);
        out
    };
    assert_eq!(parse(&message(128)).unwrap().targets.len(), 128);
    assert_eq!(parse(&message(129)), Err(ReplyError::TooManyTargets { max: 128 }));
}

#[test]
fn bytes_are_slices_of_the_message() {
    let message = Bytes::from_static(b"me 1:1, body");
    let reply = Reply::parse(&message, 1).unwrap();
    let ReplyBody::Data(body) = reply.body else { panic!("{:?}", reply.body) };
    assert_eq!(body.as_ptr(), message[8..].as_ptr());
    assert_eq!(reply.sender.as_ptr(), message.as_ptr());
}

#[test]
fn extended_replies_are_written_as_mongrel2_reads_them() {
    let check = |ctl: Ctl, want: &str| {
        let mut out = BytesMut::new();
        encode_ctl("me", &[43, 44], ctl, &mut out);
        assert_eq!(out, want);
        let parsed = parse(&out).unwrap();
        assert_eq!(parsed.body, ReplyBody::Extended(Extended::Ctl(ctl)));
    };
    let none = Ctl::default();
    check(Ctl { keep_alive: true, ..none }, "me 7:X 43 44, 31:3:ctl,21:10:keep-alive,4:true!}]");
    check(Ctl { credits: Some(100), ..none }, "me 7:X 43 44, 26:3:ctl,16:7:credits,3:100#}]");
    check(Ctl { cancel: true, ..none }, "me 7:X 43 44, 26:3:ctl,16:6:cancel,4:true!}]");
    let mut out = BytesMut::new();
    let args = Value::Dict(vec![(b"path", Value::Bytes(b"/f"))]);
    encode_filter("me", &[1], "sendfile", &args, &mut out);
    assert_eq!(out, "me 3:X 1, 27:8:sendfile,12:4:path,2:/f,}]");
}

proptest! {
    #[test]
    fn any_reply_is_read_back(
        sender in "[A-Za-z0-9-]{1,40}",
        ids in prop::collection::vec(any::<u64>(), 1..=128),
        body in any::<Vec<u8>>(),
    ) {
        let mut out = BytesMut::new();
        encode(&sender, &ids, &body, &mut out);
        let reply = parse(&out).unwrap();
        prop_assert_eq!(&reply.sender, sender.as_bytes());
        prop_assert_eq!(reply.targets.as_slice(), ids.as_slice());
        let want = match body.is_empty() {
            true => ReplyBody::Close,
            false => ReplyBody::Data(Bytes::from(body)),
        };
        prop_assert_eq!(reply.body, want);
    }

    #[test]
    fn no_input_panics(input in any::<Vec<u8>>(), tail in "a [0-9]{0,3}:(X )?[0-9 ]{0,6}, ?.{0,20}") {
        drop(parse(&input));
        drop(parse(tail.as_bytes()));
    }
}

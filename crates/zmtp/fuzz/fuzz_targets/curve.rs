//! A client with the right keys that says anything: behind a real CURVE handshake, any HELLO,
//! INITIATE and MESSAGE bytes are survived, and what is sealed with the wrong nonce never arrives.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use dryoc::classic::crypto_box::{
    crypto_box_beforenm, crypto_box_detached_afternm_inplace, crypto_box_keypair,
    crypto_box_open_detached_afternm,
};
use libfuzzer_sys::fuzz_target;
use zmtp::{CurveServer, Event, Local, PublicKey, SecretKey, Security, Session, SocketType};

/// RFC 26's example keys.
const PUBLIC: [u8; 32] = [
    0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a, 0x53, 0x21, 0xce, 0xbb, 0x5a,
    0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64, 0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc, 0xb4, 0x3f, 0xc5, 0x18,
];
const PUBLIC_Z85: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

static SERVER: LazyLock<Arc<Local>> = LazyLock::new(|| {
    let secret: SecretKey = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs".parse().expect("a key");
    assert_eq!(secret.public_key().to_string(), PUBLIC_Z85);
    Arc::new(Local {
        socket: SocketType::Sub,
        identity: Bytes::new(),
        security: Security::Curve(Arc::new(CurveServer::new(secret, None::<[PublicKey; 0]>))),
        subscription: Bytes::new(),
        message_bytes_max: 4096,
    })
});

fn boxed(key: &[u8; 32], prefix: &[u8], rest: &[u8], text: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 24];
    nonce[..prefix.len()].copy_from_slice(prefix);
    nonce[prefix.len()..].copy_from_slice(rest);
    let mut out = text.to_vec();
    let mut tag = [0; 16];
    crypto_box_detached_afternm_inplace(&mut out, &mut tag, &nonce, key);
    [&tag[..], &out].concat()
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u64).to_be_bytes();
    [&[flags | 2][..], &length, body].concat()
}

fuzz_target!(|input: (Vec<u8>, Vec<(u8, bool, Vec<u8>)>)| {
    let (metadata, messages) = input;
    let mut session = Session::new(Arc::clone(&SERVER));
    let mut input = BytesMut::from(&b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01CURVE"[..]);
    input.resize(64, 0);
    let (public, secret) = crypto_box_keypair();
    let key = crypto_box_beforenm(&PUBLIC, &secret).expect("a good key");
    let hello = boxed(&key, b"CurveZMQHELLO---", &1_u64.to_be_bytes(), &[0; 64]);
    let hello =
        [b"\x05HELLO\x01\0", &[0; 72][..], &public, &1_u64.to_be_bytes(), &hello].concat();
    input.extend_from_slice(&frame(4, &hello));
    let mut output = Vec::new();
    assert!(session.receive(&mut input).expect("a good HELLO").is_none());
    session.take_output(&mut output);
    let welcome = &output[64 + 2 + 8..];
    let nonce: Vec<u8> = [b"WELCOME-", &welcome[..16]].concat();
    let nonce: [u8; 24] = nonce.try_into().expect("24 bytes");
    let (tag, sealed) = welcome[16..].split_first_chunk().expect("a tag");
    let mut text = vec![0; sealed.len()];
    crypto_box_open_detached_afternm(&mut text, sealed, tag, &nonce, &key).expect("a WELCOME");
    let (short, cookie) = text.split_first_chunk::<32>().expect("a key");

    let (own_public, own_secret) = crypto_box_keypair();
    let vouch_key = crypto_box_beforenm(short, &own_secret).expect("a good key");
    let vouch = boxed(&vouch_key, b"VOUCH---", &[7; 16], &[public, PUBLIC].concat());
    let key = crypto_box_beforenm(short, &secret).expect("a good key");
    let text = [&own_public[..], &[7; 16], &vouch, &metadata].concat();
    let initiate = boxed(&key, b"CurveZMQINITIATE", &2_u64.to_be_bytes(), &text);
    let initiate = [b"\x08INITIATE", cookie, &2_u64.to_be_bytes(), &initiate].concat();
    input.extend_from_slice(&frame(4, &initiate));
    let Ok(ready) = session.receive(&mut input) else { return };
    assert!(matches!(ready, Some(Event::Ready(_))));

    let mut last = 2;
    for (nonce, broken, text) in messages {
        let short = u64::from(nonce).to_be_bytes();
        let mut sealed = boxed(&key, b"CurveZMQMESSAGEC", &short, &text);
        sealed[0] ^= u8::from(broken);
        input.extend_from_slice(&frame(0, &[b"\x07MESSAGE", &short[..], &sealed].concat()));
        match session.receive(&mut input) {
            Ok(event) => {
                assert!(!broken && u64::from(nonce) > last);
                last = u64::from(nonce);
                if let Some(Event::Frame(frame)) = event {
                    assert_eq!(frame.payload, text[1..]);
                }
            }
            Err(_) => return,
        }
        session.take_output(&mut output);
    }
});

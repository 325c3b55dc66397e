//! A bearer token: as it comes, or put together from lines: header, claims, and perhaps the issuer's claim map.

#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding as _};
use dive_node::{ClaimMap, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (Some(header), Some(claims)) = (lines.next(), lines.next()) else {
        fuzzing::would_be_believed(text, None);
        return;
    };
    let map = lines.next().and_then(|map| serde_json::from_str::<ClaimMap>(map).ok());
    let encoded = |part: &str| Base64UrlUnpadded::encode_string(part.as_bytes());
    let token = format!("{}.{}.c2lnbmVk", encoded(header), encoded(claims));
    fuzzing::would_be_believed(&token, map.as_ref());
});

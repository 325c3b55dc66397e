//! A harmless question in each protocol that is not HTTP.

/// What a Redis answers with `+PONG`.
pub const REDIS_PING: &[u8] = b"PING\r\n";

/// A MongoDB wire message, `OP_MSG` with the body `{hello: 1, $db: "admin"}`, which any server answers
/// before a login.
pub fn mongodb_hello() -> Vec<u8> {
    const OP_MSG: u32 = 2013;
    let document = bson::serialize_to_vec(&bson::doc! {"hello": 1, "$db": "admin"}).unwrap_or_default();
    // Flags, then one section of kind 0: the document.
    let content = [&0_u32.to_le_bytes()[..], &[0], &document].concat();
    let header = [content.len() as u32 + 16, 1, 0, OP_MSG];
    [header.iter().flat_map(|field| field.to_le_bytes()).collect(), content].concat()
}

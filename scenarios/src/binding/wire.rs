//! A harmless question in each protocol that is not HTTP.

/// What a Redis answers with `+PONG`.
pub const REDIS_PING: &[u8] = b"PING\r\n";

/// A MongoDB wire message, `OP_MSG` with the body `{hello: 1, $db: "admin"}`, which any server answers
/// before a login.
pub fn mongodb_hello() -> Vec<u8> {
    const OP_MSG: i32 = 2013;
    let mut body = vec![0x10];
    body.extend(b"hello\0");
    body.extend(1_i32.to_le_bytes());
    body.push(0x02);
    body.extend(b"$db\0");
    body.extend(6_i32.to_le_bytes());
    body.extend(b"admin\0");
    body.push(0);
    let document = [&(body.len() as i32 + 4).to_le_bytes()[..], &body].concat();
    // Flags, then one section of kind 0: the document.
    let content = [&0_i32.to_le_bytes()[..], &[0], &document].concat();
    let header = [content.len() as i32 + 16, 1, 0, OP_MSG];
    [header.iter().flat_map(|field| field.to_le_bytes()).collect(), content].concat()
}

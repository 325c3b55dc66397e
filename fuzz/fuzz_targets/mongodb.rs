//! Messages of MongoDB's wire protocol, one after the other; or, for what begins with a brace, commands as JSON,
//! one in a line, which also have to survive the wire.
//!
//! Every command has a reply, and from the changes that were told another database comes to hold the same.

#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use bson::{Bson, Document, doc};
use libfuzzer_sys::fuzz_target;
use standin_mongodb::{Change, Database, wire};

fuzz_target!(|bytes: &[u8]| {
    let commands = if bytes.first() == Some(&b'{') { written(bytes) } else { sent(bytes) };
    let (mut database, mut restored) = (Database::default(), Database::default());
    let mut namespaces = BTreeSet::new();
    let now = |second: u64| Duration::from_secs(1_750_000_000 + second);
    for (second, command) in (0..).zip(&commands) {
        let outcome = database.run(now(second), command);
        let ok = outcome.reply.get_f64("ok").expect("every reply says whether it went well");
        assert!(ok > 0.5 || outcome.reply.get_i32("code").is_ok(), "{}", outcome.reply);
        wire::encode(1, 1, &outcome.reply).expect("every reply can be sent");
        for change in outcome.changes {
            if let Change::Collection { namespace, .. } = &change {
                namespaces.insert(namespace.clone());
            }
            restored.restore(change).expect("a change that was told can be taken up");
        }
    }
    for namespace in namespaces {
        let Some((of, collection)) = namespace.split_once('.') else { continue };
        let all = doc! {"find": collection, "$db": of};
        let now = now(0);
        let [held, told] = [&mut database, &mut restored].map(|one| found(&one.run(now, &all).reply));
        assert_eq!(held, told, "{namespace}");
    }
});

/// As bytes: what is not a number is not equal to itself.
fn found(reply: &Document) -> Option<Vec<Vec<u8>>> {
    let batch = reply.get_document("cursor").ok()?.get_array("firstBatch").ok()?;
    batch.iter().filter_map(Bson::as_document).map(|document| document.to_vec().ok()).collect()
}

fn sent(mut rest: &[u8]) -> Vec<Document> {
    let mut commands = Vec::new();
    while let Some(first) = rest.first_chunk() {
        let Ok(length) = wire::length(*first) else { break };
        let (message, after) = rest.split_at(length.min(rest.len()));
        let Ok(request) = wire::decode(message) else { break };
        commands.push(request.command);
        rest = after;
    }
    commands
}

fn written(text: &[u8]) -> Vec<Document> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let value = serde_json::from_slice::<serde_json::Value>(line).ok()?;
        let command = bson::serialize_to_document(&value).ok()?;
        let message = wire::request(7, &command).ok()?;
        // A command can be deeper than any message may be.
        let read = wire::decode(&message).ok()?;
        assert_eq!(read.command, command, "what is sent is what is read");
        Some(read.command)
    });
    lines.collect()
}

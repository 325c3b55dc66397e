//! The document store, called over a link of the simulation.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Document, doc};
use dive_node::adapters::mongodb::{CommandFailure, Commands};
use harness_sim::{Link, LinkError, Node, Reply};
use parking_lot::Mutex;
use standin_mongodb::Database;

/// One life of the stand-in's process, on a disk that may be older.
#[derive(Clone)]
pub(super) struct Mongodb {
    pub(super) disk: Arc<Mutex<Database>>,
    pub(super) life: Node,
}

impl Mongodb {
    /// Carries out one command.
    fn run(&self, command: &Document) -> Document {
        self.disk.lock().run(self.life.wall(), command).reply
    }
}

/// The node's way to it.
pub(super) struct LinkedMongodb {
    pub(super) link: Link<Mongodb>,
    pub(super) database: String,
}

#[async_trait]
impl Commands for LinkedMongodb {
    async fn run(&self, mut command: Document) -> Result<Document, CommandFailure> {
        command.insert("$db", self.database.clone());
        let called = self.link.call(move |mongodb: Mongodb| async move { mongodb.run(&command) });
        match called.await {
            Ok(Reply::Answer(reply)) => CommandFailure::of_reply(reply),
            Ok(Reply::Truncated { .. }) => Err(unreachable(LinkError::Closed)),
            Ok(Reply::Wrong { body, .. }) => Err(CommandFailure::Malformed(body)),
            Err(error) => Err(unreachable(error)),
        }
    }

    async fn ping(&self) -> Result<(), CommandFailure> {
        self.run(doc! {"ping": 1}).await.map(drop)
    }
}

/// The same without a link, for who stands beside it.
pub(super) struct AtHand {
    pub(super) mongodb: Mongodb,
    pub(super) database: String,
}

#[async_trait]
impl Commands for AtHand {
    async fn run(&self, mut command: Document) -> Result<Document, CommandFailure> {
        command.insert("$db", self.database.clone());
        CommandFailure::of_reply(self.mongodb.run(&command))
    }

    async fn ping(&self) -> Result<(), CommandFailure> {
        Ok(())
    }
}

fn unreachable(error: LinkError) -> CommandFailure {
    CommandFailure::Unreachable(error.to_string())
}

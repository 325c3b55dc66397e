//! Redis, called over a link of the simulation.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dive_node::adapters::redis::{Answer, Command, RedisLink, Subscription};
use dive_node::ports::StoreError;
use harness_sim::{Link, LinkError, Node, Reply};
use parking_lot::Mutex;
use standin_redis::redis::{SessionId, words};
use tokio::sync::Notify;

/// One life of the stand-in's process, on keys that may be older.
#[derive(Clone)]
pub(super) struct Redis(Arc<Life>);

struct Life {
    redis: Arc<Mutex<standin_redis::Redis>>,
    node: Node,
    /// What was published for each who listens.
    inboxes: Mutex<Vec<(SessionId, Arc<Inbox>)>>,
}

#[derive(Default)]
struct Inbox {
    messages: Mutex<VecDeque<Vec<u8>>>,
    more: Notify,
}

impl Redis {
    /// A process that has just started on these keys.
    pub(super) fn started(redis: &Arc<Mutex<standin_redis::Redis>>, node: &Node) -> Self {
        Self(Arc::new(Life { redis: redis.clone(), node: node.clone(), inboxes: Mutex::default() }))
    }

    /// Carries out commands one after another, as one client's session.
    fn execute(&self, commands: &[Command]) -> Vec<Answer> {
        let mut redis = self.0.redis.lock();
        let session = redis.connect();
        let mut answers = Vec::new();
        for command in commands {
            let words: Vec<Bytes> = command.iter().map(|word| Bytes::copy_from_slice(word)).collect();
            let answer = redis.execute(session, &words, self.0.node.wall());
            for (listener, message) in answer.messages {
                self.deliver(listener, message);
            }
            answers.extend(answer.replies.into_iter().next().map(told));
        }
        redis.disconnect(session);
        answers
    }

    fn deliver(&self, listener: SessionId, message: standin_redis::Reply) {
        let inboxes = self.0.inboxes.lock();
        let inbox = inboxes.iter().find(|(session, _)| *session == listener);
        // `message`, the channel, the content.
        let content = match told(message) {
            Answer::Array(parts) => parts.get(2).and_then(|part| part.bytes().map(<[u8]>::to_vec)),
            _ => None,
        };
        if let (Some((_, inbox)), Some(content)) = (inbox, content) {
            inbox.messages.lock().push_back(content);
            inbox.more.notify_one();
        }
    }

    fn listen(&self, channel: &str) -> Arc<Inbox> {
        let mut redis = self.0.redis.lock();
        let session = redis.connect();
        redis.execute(session, &words(["SUBSCRIBE", channel]), self.0.node.wall());
        let inbox = Arc::new(Inbox::default());
        self.0.inboxes.lock().push((session, inbox.clone()));
        inbox
    }
}

fn told(reply: standin_redis::Reply) -> Answer {
    use standin_redis::Reply as From;
    match reply {
        From::Status(text) => Answer::Bytes(text.as_bytes().to_vec()),
        From::Error(why) => Answer::Refused(why),
        From::Integer(number) => Answer::Integer(number),
        From::Double(number) => Answer::Bytes(number.to_string().into_bytes()),
        From::Bulk(bytes) => Answer::Bytes(bytes.to_vec()),
        From::Null | From::NullArray => Answer::Nil,
        From::Array(parts) | From::Push(parts) => Answer::Array(parts.into_iter().map(told).collect()),
        From::Map(pairs) => {
            Answer::Array(pairs.into_iter().flat_map(|(key, value)| [told(key), told(value)]).collect())
        }
    }
}

/// The node's way to it.
#[derive(Clone)]
pub(super) struct LinkedRedis {
    pub(super) link: Link<Redis>,
}

fn answered<T>(reply: Result<Reply<T>, LinkError>) -> Result<T, StoreError> {
    match reply {
        Ok(Reply::Answer(answer)) => Ok(answer),
        Ok(Reply::Truncated { .. }) => Err(StoreError::Unavailable(LinkError::Closed.to_string())),
        Ok(Reply::Wrong { body, .. }) => Err(StoreError::Unavailable(format!("no Redis answered: {body:?}"))),
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

#[async_trait]
impl RedisLink for LinkedRedis {
    async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        let commands = commands.to_vec();
        let called = self.link.call(move |redis: Redis| async move { redis.execute(&commands) });
        answered(called.await)
    }

    async fn transaction(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        // One call is carried out without a pause: nobody comes in between.
        self.pipeline(commands).await
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, StoreError> {
        let channel = channel.to_owned();
        let called = self.link.call(move |redis: Redis| async move { redis.listen(&channel) });
        Ok(Box::new(Listening { inbox: answered(called.await)?, link: self.link.clone() }))
    }

    async fn ping_afresh(&self) -> Result<(), StoreError> {
        self.pipeline(&[vec![b"PING".to_vec()]]).await.map(drop)
    }
}

struct Listening {
    inbox: Arc<Inbox>,
    link: Link<Redis>,
}

#[async_trait]
impl Subscription for Listening {
    async fn next(&mut self) -> Result<Vec<u8>, StoreError> {
        // Asked for over the link, so that whatever befalls the link befalls the news. A message is taken
        // when it has arrived, not when it is sent.
        let inbox = self.inbox.clone();
        let called = self.link.call(move |_: Redis| async move {
            loop {
                let first = inbox.messages.lock().front().cloned();
                match first {
                    Some(message) => return message,
                    None => inbox.more.notified().await,
                }
            }
        });
        let message = answered(called.await)?;
        self.inbox.messages.lock().pop_front();
        Ok(message)
    }
}

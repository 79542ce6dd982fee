//! Work of many callers done together: who comes while others are served waits and is served with all who came meanwhile.
//! Nobody waits for company: a group is whoever is there, which may be one alone.

mod queue;

use futures_util::FutureExt;
use queue::Queue;
use std::{
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::oneshot;

/// A line of callers. Clones are the same line.
///
/// Groups are served by tasks of their own: a caller who goes away takes nobody's group along. Whoever has gone before
/// the group begins is left out of it.
pub struct Batches<K, I, O>(Arc<Mutex<Queue<K, Waiting<I, O>>>>);

struct Waiting<I, O> {
    item: I,
    reply: oneshot::Sender<O>,
}

impl<K, I, O> Batches<K, I, O>
where
    K: Eq + Hash + Clone + Send + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    /// A line that at most `lanes` groups are served from at a time, each of at most `most` callers.
    pub fn new(lanes: usize, most: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue::new(lanes, most))))
    }

    /// Waits in line and answers with what `serve` made of the item; it answers for each item of its group, in order.
    /// Items with the same key are never in one group. `None` where serving the group panicked.
    pub async fn pass<F, S>(&self, key: Option<K>, item: I, serve: F) -> Option<O>
    where
        F: Fn(Vec<I>) -> S + Send + 'static,
        S: Future<Output = Vec<O>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        if self.queue().join(key, Waiting { item, reply }) {
            // In a box: what serves a group is large, and would be moved as it is spawned.
            tokio::spawn(Box::pin(self.clone().drive(serve)));
        }
        answer.await.ok()
    }

    /// Serves one group after the other until nobody waits.
    async fn drive<F, S>(self, serve: F)
    where
        F: Fn(Vec<I>) -> S + Send + 'static,
        S: Future<Output = Vec<O>> + Send + 'static,
    {
        while let Some(group) = self.gather().await {
            let present = group.into_iter().filter(|waiting| !waiting.reply.is_closed());
            let (items, replies): (Vec<_>, Vec<_>) = present.map(|w| (w.item, w.reply)).unzip();
            if items.is_empty() {
                continue;
            }
            let Ok(outcomes) = AssertUnwindSafe(serve(items)).catch_unwind().await else {
                tracing::error!("a group of requests was lost to a panic");
                continue;
            };
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                // Who has gone meanwhile asks again.
                let _ = reply.send(outcome);
            }
        }
    }

    /// The next group. Tasks that are ready to run have their turn first: what they bring shares the group, and costs no
    /// trip of its own.
    async fn gather(&self) -> Option<Vec<Waiting<I, O>>> {
        tokio::task::yield_now().await;
        self.queue().next()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue<K, Waiting<I, O>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, I, O> Clone for Batches<K, I, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests;

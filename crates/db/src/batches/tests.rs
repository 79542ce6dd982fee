use super::*;
use tokio::sync::{Semaphore, mpsc};

/// Serves by doubling, once for each permit; tells each group before it is served.
#[derive(Clone)]
struct Doubler {
    groups: mpsc::UnboundedSender<Vec<u32>>,
    may: Arc<Semaphore>,
}

impl Doubler {
    fn new() -> (Self, mpsc::UnboundedReceiver<Vec<u32>>) {
        let (groups, seen) = mpsc::unbounded_channel();
        let may = Arc::new(Semaphore::new(0));
        (Self { groups, may }, seen)
    }

    fn pass(&self, line: &Batches<u8, u32, u32>, item: u32) -> tokio::task::JoinHandle<Option<u32>> {
        let (doubler, line) = (self.clone(), line.clone());
        tokio::spawn(async move {
            line.pass(None, item, move |group| doubler.clone().serve(group))
                .await
        })
    }

    async fn serve(self, group: Vec<u32>) -> Vec<u32> {
        self.groups.send(group.clone()).unwrap();
        self.may.acquire().await.unwrap().forget();
        assert!(!group.contains(&13), "thirteen is not served");
        group.into_iter().map(|item| item * 2).collect()
    }
}

/// Lets every task go as far as it can: on one thread, each of them has its turn before this one goes on.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_caller_gets_the_answer_to_its_own_item() {
    let (doubler, mut seen) = Doubler::new();
    let line = Batches::new(1, 8);
    let first = doubler.pass(&line, 1);
    assert_eq!(seen.recv().await.unwrap(), [1]);
    let others = [doubler.pass(&line, 2), doubler.pass(&line, 3)];
    settle().await;
    doubler.may.add_permits(2);
    assert_eq!(first.await.unwrap(), Some(2));
    assert_eq!(seen.recv().await.unwrap(), [2, 3]);
    let [second, third] = others;
    assert_eq!((second.await.unwrap(), third.await.unwrap()), (Some(4), Some(6)));
}

/// A task that was spawned last runs first on a thread of several: it would take a group for each caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_that_are_ready_at_the_same_time_share_a_group() {
    let (doubler, mut seen) = Doubler::new();
    doubler.may.add_permits(3);
    let line = Batches::new(1, 8);
    let all = tokio::spawn(async move { [1, 2, 3].map(|item| doubler.pass(&line, item)) });
    for caller in all.await.unwrap() {
        assert!(caller.await.unwrap().is_some());
    }
    let mut together = seen.recv().await.unwrap();
    together.sort_unstable();
    assert_eq!(together, [1, 2, 3]);
}

#[tokio::test]
async fn who_goes_away_harms_nobody_and_is_left_out_of_a_group_that_has_not_begun() {
    let (doubler, mut seen) = Doubler::new();
    let line = Batches::new(1, 8);
    let first = doubler.pass(&line, 1);
    assert_eq!(seen.recv().await.unwrap(), [1]);
    let gone = doubler.pass(&line, 2);
    let stays = doubler.pass(&line, 3);
    settle().await;
    // The first started the lane: it is served to the end without it.
    first.abort();
    gone.abort();
    settle().await;
    doubler.may.add_permits(2);
    assert_eq!(seen.recv().await.unwrap(), [3]);
    assert_eq!(stays.await.unwrap(), Some(6));
}

#[tokio::test]
async fn a_panic_loses_its_group_and_no_other() {
    let (doubler, mut seen) = Doubler::new();
    let line = Batches::new(1, 1);
    let (unlucky, lucky) = (doubler.pass(&line, 13), doubler.pass(&line, 5));
    doubler.may.add_permits(2);
    assert_eq!(unlucky.await.unwrap(), None);
    assert_eq!(lucky.await.unwrap(), Some(10));
    assert_eq!(
        (seen.recv().await.unwrap(), seen.recv().await.unwrap()),
        (vec![13], vec![5])
    );
}

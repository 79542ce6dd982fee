//! How many connections a listener holds, and which of them makes room for another.

use super::activity::Activity;
use qm_core::ClientNetwork;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many connections a listener holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// All together.
    pub total: usize,
    /// Of one address, or of one /64 of IPv6.
    pub per_network: usize,
    /// That have not finished their TLS handshake.
    pub handshakes: usize,
}

/// A connection keeps its place for as long as this, whatever it does with it. One that waits for longer gives way where
/// there is no room for another.
const SAFE: Duration = Duration::from_secs(2);

/// The connections of a listener.
#[derive(Debug)]
pub struct Connections {
    table: Mutex<Table>,
    left: Notify,
}

#[derive(Debug)]
struct Table {
    capacity: Capacity,
    places: HashMap<u64, Place>,
    networks: HashMap<ClientNetwork, usize>,
    handshakes: usize,
    last_id: u64,
}

#[derive(Debug)]
struct Place {
    network: ClientNetwork,
    shaking_hands: bool,
    activity: Arc<Activity>,
    gives_way: CancellationToken,
}

/// Whether there is room for a connection.
#[derive(Debug)]
pub enum Room {
    /// It has a place.
    Taken(Ticket),
    /// Its address has as many as it may have.
    Refused,
    /// Not now; ask again when somebody has left, or after this time.
    Wait(Duration),
}

impl Connections {
    /// None so far.
    pub fn new(capacity: Capacity) -> Arc<Self> {
        let table = Table {
            capacity,
            places: HashMap::new(),
            networks: HashMap::new(),
            handshakes: 0,
            last_id: 0,
        };
        Arc::new(Self {
            table: Mutex::new(table),
            left: Notify::new(),
        })
    }

    /// A place for a connection from there, if need be the place of the one that has waited the longest.
    pub fn enter(self: &Arc<Self>, network: ClientNetwork) -> Room {
        let mut table = self.table();
        if table.networks.get(&network).copied().unwrap_or(0) >= table.capacity.per_network {
            return Room::Refused;
        }
        if let Some(wait) = table.make_room() {
            return Room::Wait(wait);
        }
        let (id, activity, gives_way) = table.take(network);
        Room::Taken(Ticket {
            id,
            activity,
            gives_way,
            connections: Arc::clone(self),
        })
    }

    /// Ends when a connection has left.
    pub async fn one_left(&self) {
        self.left.notified().await;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table().places.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes sure that there is room for a handshake; else how long it takes until somebody has to give way.
    fn make_room(&mut self) -> Option<Duration> {
        let handshakes = self.handshakes >= self.capacity.handshakes;
        if !handshakes && self.places.len() < self.capacity.total {
            return None;
        }
        let longest = self
            .places
            .iter()
            .filter(|(_, place)| place.shaking_hands || !handshakes)
            .filter_map(|(id, place)| Some((place.activity.quiet()?, *id)))
            .max();
        match longest {
            Some((quiet, id)) if quiet >= SAFE => {
                self.remove(id);
                None
            }
            Some((quiet, _)) => Some(SAFE.saturating_sub(quiet)),
            None => Some(SAFE),
        }
    }

    fn take(&mut self, network: ClientNetwork) -> (u64, Arc<Activity>, CancellationToken) {
        let (activity, gives_way) = (Arc::new(Activity::new()), CancellationToken::new());
        self.last_id += 1;
        self.handshakes += 1;
        *self.networks.entry(network).or_default() += 1;
        let place = Place {
            network,
            shaking_hands: true,
            activity: Arc::clone(&activity),
            gives_way: gives_way.clone(),
        };
        self.places.insert(self.last_id, place);
        (self.last_id, activity, gives_way)
    }

    fn handshake_done(&mut self, id: u64) {
        if let Some(place) = self.places.get_mut(&id) {
            self.handshakes -= usize::from(std::mem::take(&mut place.shaking_hands));
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(place) = self.places.remove(&id) else {
            return;
        };
        place.gives_way.cancel();
        self.handshakes -= usize::from(place.shaking_hands);
        if let Some(count) = self.networks.get_mut(&place.network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&place.network);
            }
        }
    }
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    id: u64,
    /// What the connection does.
    pub activity: Arc<Activity>,
    gives_way: CancellationToken,
    connections: Arc<Connections>,
}

impl Ticket {
    /// The handshake is done; this is a connection like others.
    pub fn handshake_done(&self) {
        self.connections.table().handshake_done(self.id);
        self.connections.left.notify_one();
    }

    /// Ends when the place was given to another connection.
    pub async fn gives_way(&self) {
        self.gives_way.cancelled().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.connections.table().remove(self.id);
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use tokio::time::advance;

    fn connections(total: usize, per_network: usize, handshakes: usize) -> Arc<Connections> {
        Connections::new(Capacity {
            total,
            per_network,
            handshakes,
        })
    }

    fn from(last: u8) -> ClientNetwork {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn taken(room: Room) -> Ticket {
        match room {
            Room::Taken(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_is_refused_above_its_share_and_others_are_not() {
        let connections = connections(10, 2, 10);
        let first = taken(connections.enter(from(1)));
        let _second = taken(connections.enter(from(1)));
        assert!(matches!(connections.enter(from(1)), Room::Refused));
        let _other = taken(connections.enter(from(2)));
        drop(first);
        let _again = taken(connections.enter(from(1)));
        assert_eq!(connections.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_handshake_gives_way_but_not_at_once() {
        let connections = connections(10, 10, 2);
        let slow = taken(connections.enter(from(1)));
        advance(SAFE / 2).await;
        let quick = taken(connections.enter(from(1)));
        match connections.enter(from(2)) {
            Room::Wait(wait) => assert_eq!(wait, SAFE / 2),
            other => panic!("{other:?}"),
        }
        advance(SAFE / 2).await;
        let late = taken(connections.enter(from(2)));
        slow.gives_way().await;
        assert!(!quick.gives_way.is_cancelled());
        quick.handshake_done();
        let _more = taken(connections.enter(from(2)));
        drop((slow, quick, late));
        assert_eq!(connections.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_the_longest_gives_way_and_whoever_is_answered_does_not() {
        let connections = connections(2, 2, 2);
        let busy = taken(connections.enter(from(1)));
        busy.handshake_done();
        let answering = busy.activity.answering();
        let idle = taken(connections.enter(from(1)));
        idle.handshake_done();
        advance(SAFE).await;
        let _new = taken(connections.enter(from(2)));
        idle.gives_way().await;
        assert!(!busy.gives_way.is_cancelled());
        advance(SAFE).await;
        let _newer = taken(connections.enter(from(2)));
        assert!(matches!(connections.enter(from(3)), Room::Wait(_)));
        drop(answering);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_hears_when_somebody_leaves() {
        let connections = connections(1, 1, 1);
        let only = taken(connections.enter(from(1)));
        let _answering = only.activity.answering();
        assert!(matches!(connections.enter(from(2)), Room::Wait(_)));
        drop(only);
        connections.one_left().await;
        let _next = taken(connections.enter(from(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_remembered_of_connections_that_are_over() {
        let connections = connections(100, 10, 100);
        for round in 0..50 {
            let ticket = taken(connections.enter(from(round)));
            if round % 2 == 0 {
                ticket.handshake_done();
            }
        }
        let table = connections.table();
        assert_eq!(
            (table.places.len(), table.networks.len(), table.handshakes),
            (0, 0, 0)
        );
    }
}

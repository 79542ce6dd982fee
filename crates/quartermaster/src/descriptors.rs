//! How many files and connections the operating system lets this process have open.

use crate::{config::Limits, listener::Capacity};

/// What the database, packages in transit and the process itself need.
const RESERVED: u64 = 256;
const LISTENERS: u64 = 3;

/// Uses all that the operating system allows; what it gives by default (1024) is meant for other programs.
pub fn raise() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the number of open files stays as it was");
    }
}

/// How many files this process may have open.
pub fn allowed() -> u64 {
    rlimit::Resource::NOFILE.get().map_or(u64::MAX, |(soft, _)| soft)
}

/// The places of one listener: as the settings say, but never more than its share of what may be open.
pub fn capacity(limits: &Limits, allowed: u64) -> Capacity {
    let share = allowed.saturating_sub(RESERVED).max(LISTENERS * 8) / LISTENERS;
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    if share < limits.connections {
        let wanted = limits.connections;
        tracing::warn!(
            open_files = allowed,
            limits.connections = wanted,
            connections = share,
            "fewer connections than limits.connections: raise the number of open files (LimitNOFILE=)"
        );
    }
    Capacity {
        total: limits.connections.min(share),
        per_network: limits.connections_per_address.min(share.div_ceil(2)),
        handshakes: limits.handshakes.min(share.div_ceil(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_hold_where_there_are_descriptors_enough() {
        let capacity = capacity(&Limits::default(), 524_288);
        assert_eq!(
            capacity,
            Capacity {
                total: 4000,
                per_network: 1000,
                handshakes: 1000
            }
        );
    }

    #[test]
    fn few_descriptors_are_shared_and_some_kept_for_the_rest() {
        let capacity = |allowed| capacity(&Limits::default(), allowed);
        for allowed in [300, 1024, 4096] {
            let total = capacity(allowed).total as u64;
            assert!(total * LISTENERS <= allowed - RESERVED, "{allowed}: {total}");
            assert!(capacity(allowed).per_network as u64 <= total.div_ceil(2));
        }
        assert!(capacity(10).total >= 8, "never none");
    }
}

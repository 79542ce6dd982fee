//! Why a database cannot be used at the moment, in words for whoever has to mend it.

use sqlx::error::DatabaseError;
use std::{fmt, io};

/// Why a database cannot be used at the moment. Nothing of it is a defect of the request that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Nobody listens where it should be.
    Refused,
    /// Its host is not found or not reached.
    Unreachable,
    /// It does not answer in time.
    Silent,
    /// The connection ended in mid-conversation.
    Lost,
    /// It is starting up or shutting down.
    Restarting,
    /// It takes no more connections.
    Crowded,
    /// It does not accept user or password.
    Login,
    /// The server has no database of that name.
    NoDatabase,
    /// No TLS connection comes about.
    Tls,
    /// No space is left for it.
    Full,
    /// It may be read but not written.
    ReadOnly,
    /// Its disk fails.
    Disk,
    /// Its file cannot be opened.
    NoFile,
    /// Another program keeps it from us.
    Locked,
    /// It lacks memory or the like.
    Exhausted,
    /// Our own side is closing it.
    Closed,
}

impl Outage {
    /// What a driver's error says about the database; `None` where it is about the statement.
    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        Some(match error {
            sqlx::Error::Io(error) => Self::of_io(error.kind()),
            sqlx::Error::Tls(_) => Self::Tls,
            sqlx::Error::PoolTimedOut => Self::Silent,
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Database(error) => return Self::of_database(error.as_ref()),
            _ => return None,
        })
    }

    /// Whether only writing is hindered.
    pub const fn hinders_writing(self) -> bool {
        matches!(self, Self::Full | Self::ReadOnly | Self::Disk | Self::Exhausted)
    }

    fn of_io(kind: io::ErrorKind) -> Self {
        match kind {
            // A socket file that is not there is a server that is not there.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Self::Refused,
            io::ErrorKind::TimedOut => Self::Silent,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Self::Lost,
            _ => Self::Unreachable,
        }
    }

    fn of_database(error: &dyn DatabaseError) -> Option<Self> {
        Self::of_code(error.code().as_deref().unwrap_or_default())
    }

    /// SQLSTATEs have five characters; SQLite's extended result codes are numbers with the plain code in the last byte.
    fn of_code(code: &str) -> Option<Self> {
        if code.len() == 5 {
            return Self::of_sqlstate(code);
        }
        let number: u32 = code.parse().ok()?;
        Some(match number & 0xff {
            5 => Self::Locked,
            8 => Self::ReadOnly,
            10 => Self::Disk,
            7 => Self::Exhausted,
            13 => Self::Full,
            14 => Self::NoFile,
            _ => return None,
        })
    }

    fn of_sqlstate(code: &str) -> Option<Self> {
        Some(match code {
            // Ended by an administrator, by a crash, by a timeout of idle transactions.
            "57P01" | "57P02" | "57P05" | "25P03" => Self::Lost,
            "57P03" => Self::Restarting,
            "53300" => Self::Crowded,
            "53100" => Self::Full,
            "25006" => Self::ReadOnly,
            "3D000" => Self::NoDatabase,
            "58030" => Self::Disk,
            _ if code.starts_with("08") => Self::Lost,
            _ if code.starts_with("28") => Self::Login,
            _ if code.starts_with("53") => Self::Exhausted,
            _ => return None,
        })
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nothing listens at its address; is the PostgreSQL server running?",
            Self::Unreachable => "its host cannot be reached; check the address and the network",
            Self::Silent => "it gave no answer in time; it is stopped or overloaded, or its host or network is down",
            Self::Lost => "the connection to it broke",
            Self::Restarting => "it is starting up or shutting down",
            Self::Crowded => "it takes no more connections; raise its max_connections",
            Self::Login => "it refuses the login; check user and password in database.url and its pg_hba.conf",
            Self::NoDatabase => "its server has no database of that name; create it or correct database.url",
            Self::Tls => "no TLS connection to it comes about; check sslmode and the certificates",
            Self::Full => "its disk is full; free some space",
            Self::ReadOnly => {
                "it can only be read; check who may write its file and folder, or whether the server is a standby"
            }
            Self::Disk => "its disk fails; check disk and file system",
            Self::NoFile => "its file cannot be opened; check that its folder is there and who may use it",
            Self::Locked => "another program holds it locked; end that program",
            Self::Exhausted => "it is out of memory or another resource",
            Self::Closed => "this server is closing it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_tell_what_is_wrong_with_the_database() {
        for (code, wanted) in [
            ("57P01", Some(Outage::Lost)),
            ("57P03", Some(Outage::Restarting)),
            ("53300", Some(Outage::Crowded)),
            ("53100", Some(Outage::Full)),
            ("53200", Some(Outage::Exhausted)),
            ("25006", Some(Outage::ReadOnly)),
            ("28P01", Some(Outage::Login)),
            ("3D000", Some(Outage::NoDatabase)),
            ("08006", Some(Outage::Lost)),
            ("42601", None),
            ("40001", None),
            ("5", Some(Outage::Locked)),
            ("261", Some(Outage::Locked)),
            ("8", Some(Outage::ReadOnly)),
            ("1032", Some(Outage::ReadOnly)),
            ("778", Some(Outage::Disk)),
            ("13", Some(Outage::Full)),
            ("14", Some(Outage::NoFile)),
            ("1555", None),
            ("", None),
        ] {
            assert_eq!(Outage::of_code(code), wanted, "{code}");
        }
    }

    #[test]
    fn failures_on_the_way_are_told_apart() {
        let io = |kind: io::ErrorKind| Outage::of(&sqlx::Error::Io(kind.into()));
        assert_eq!(io(io::ErrorKind::ConnectionRefused), Some(Outage::Refused));
        assert_eq!(io(io::ErrorKind::UnexpectedEof), Some(Outage::Lost));
        assert_eq!(io(io::ErrorKind::HostUnreachable), Some(Outage::Unreachable));
        assert_eq!(Outage::of(&sqlx::Error::PoolTimedOut), Some(Outage::Silent));
        assert_eq!(Outage::of(&sqlx::Error::RowNotFound), None);
    }
}

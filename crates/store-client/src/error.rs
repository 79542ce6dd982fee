//! What can go wrong at the Store.

use crate::{Conflict, Fault, Missing, Operation, TokenError};
use std::time::Duration;

/// Why an operation of the Store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A seat operation was sent and its answer lost, or the service failed while at it.
    #[error(
        "whether \"{0}\" took effect is unknown, as its answer was lost; read the seat before anything is repeated"
    )]
    Ambiguous(Operation),
    /// The answer makes no sense.
    #[error("the Store's answer to \"{operation}\" cannot be used: {problem}")]
    BadAnswer {
        /// What was asked.
        operation: Operation,
        /// What is wrong with the answer.
        problem: AnswerProblem,
    },
    /// More users than one bulk call takes.
    #[error(
        "{given} users were given for one bulk call; 1 to {} are possible",
        crate::MAX_BULK_USERS
    )]
    BatchSize {
        /// How many were given.
        given: usize,
    },
    /// The request contradicts the state of the product (409).
    #[error("the Store refused \"{operation}\": {conflict}")]
    Conflict {
        /// What was asked.
        operation: Operation,
        /// What it contradicts.
        conflict: Conflict,
        /// What the service said.
        fault: Box<Fault>,
    },
    /// 403: the token is good, the tool is not activated.
    #[error(
        "the Store refuses access; activate this server's application under Settings > Management tools in the portal \
         of the Store for Business, with the same directory"
    )]
    Forbidden(Box<Fault>),
    /// An identifier or user name that cannot be part of an address.
    #[error("\"{0}\" was asked for with an empty or impossible identifier; correct it in the catalogue")]
    InvalidIdentifier(Operation),
    /// The service does not know it (404).
    #[error("the Store does not know the {missing} asked for with \"{operation}\"")]
    NotFound {
        /// What was asked.
        operation: Operation,
        /// What is missing.
        missing: Missing,
        /// What the service said.
        fault: Box<Fault>,
    },
    /// All seats are taken.
    #[error("no seats are left; free some or acquire more in the Store for Business")]
    NoSeatsLeft,
    /// Something answered that is not the management service.
    #[error(
        "the Store's address answered \"{operation}\" with {answer}; check `base_url`, or the service is gone"
    )]
    NotTheService {
        /// What was asked.
        operation: Operation,
        /// What came.
        answer: NotTheService,
    },
    /// The service named a page that it had named before.
    #[error("the list from \"{0}\" never ends: the Store repeats its continuation token")]
    PageLoop(Operation),
    /// The request was refused for another reason (400 and the statuses without a meaning of their own).
    #[error("the Store refused \"{operation}\" with status {}{}", fault.status, fault.for_people())]
    Refused {
        /// What was asked.
        operation: Operation,
        /// What the service said.
        fault: Box<Fault>,
    },
    /// 410.
    #[error("the Store says that \"{0}\" is gone for good; the service seems to be retired")]
    Retired(Operation),
    /// 408 or 429, and again after all attempts.
    #[error("the Store asks for fewer requests; try again later")]
    Throttled {
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
    /// No token could be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An answer beyond the limit.
    #[error("the Store's answer to \"{operation}\" exceeds {limit} bytes")]
    TooLarge {
        /// What was asked.
        operation: Operation,
        /// The limit in bytes.
        limit: usize,
    },
    /// A list of more pages than any organization has.
    #[error("the list from \"{0}\" was given up after too many pages")]
    TooManyPages(Operation),
    /// 401, also with a new token.
    #[error(
        "the Store does not accept the token; check that `resource` and `tenant_id` are the organization's own"
    )]
    Unauthorized(Box<Fault>),
    /// 5xx, and again after all attempts.
    #[error("the Store is out of order (status {status} for \"{operation}\"); try again later")]
    Unavailable {
        /// What was asked.
        operation: Operation,
        /// The last status.
        status: u16,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
    /// The user is not in the organization's directory.
    #[error("the user is not in the organization's directory")]
    UnknownUser,
    /// DNS, connection, TLS, or an answer that broke off, and again after all attempts.
    #[error("the Store cannot be reached for \"{operation}\": {detail}; check network, DNS and proxy")]
    Unreachable {
        /// What was asked.
        operation: Operation,
        /// The cause as the HTTP stack tells it.
        detail: String,
    },
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerProblem {
    /// No body.
    #[error("it is empty")]
    Empty,
    /// Bytes that are no JSON.
    #[error("it is no JSON")]
    NotJson,
    /// JSON without what the operation is for.
    #[error("it lacks `{0}`")]
    Lacks(&'static str),
    /// JSON, but no object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// The seat is not in the state asked for although the call succeeded.
    #[error("the seat is not in the state asked for")]
    WrongState,
}

/// What answered instead of the management service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTheService {
    /// A page for people.
    #[error("an HTML page")]
    Html,
    /// A redirect; API calls follow none.
    #[error("a redirect (status {0})")]
    Redirect(u16),
}

impl StoreError {
    /// Whether the same request may succeed later with nothing changed on our side.
    pub fn is_transient(&self) -> bool {
        if let Self::Token(error) = self {
            return error.is_transient();
        }
        matches!(
            self,
            Self::Ambiguous(_)
                | Self::BadAnswer { .. }
                | Self::NotTheService { .. }
                | Self::PageLoop(_)
                | Self::Throttled { .. }
                | Self::Unavailable { .. }
                | Self::Unreachable { .. }
        )
    }

    /// Whether the connection as a whole is broken, so that asking for another product is pointless.
    pub fn concerns_connection(&self) -> bool {
        matches!(
            self,
            Self::Forbidden(_)
                | Self::NotTheService { .. }
                | Self::Retired(_)
                | Self::Throttled { .. }
                | Self::Token(_)
                | Self::Unauthorized(_)
                | Self::Unreachable { .. }
        )
    }

    /// How long the service asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after }
            | Self::Token(TokenError::Unavailable { retry_after, .. })
            | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

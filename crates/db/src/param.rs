//! Values on their way into a statement, the same for both engines.

use qm_core::{
    ApiTokenId, AppId, Architecture, AuditId, CommandId, DeploymentId, DeviceId, EnrollmentTokenId,
    ExchangeId, GroupId, JobId, PackageId, SeatId, SessionRowId, Sha256, TargetId, Timestamp, Version,
    access, app, command, deployment, device, job, seat,
};
use std::borrow::Cow;
use uuid::Uuid;

/// The four kinds of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Bool,
    Int,
    Text,
}

/// One value for one placeholder; [`Param::Rows`] fills as many placeholders as the engine needs, so it comes last.
#[derive(Debug, Clone)]
pub(crate) enum Param<'a> {
    Blob(Cow<'a, [u8]>),
    Bool(bool),
    Id(Uuid),
    Int(i64),
    Null(Kind),
    Rows(Rows<'a>),
    Text(Cow<'a, str>),
}

/// Rows for a `{rows …}` source, in one flat list.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    pub(crate) kinds: &'static [Kind],
    pub(crate) cells: Vec<Param<'a>>,
}

impl<'a> Rows<'a> {
    pub(crate) fn of<R: RowParam<'a>>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut cells = Vec::new();
        rows.into_iter().for_each(|row| row.push(&mut cells));
        Self {
            kinds: R::KINDS,
            cells,
        }
    }
}
impl<'a> From<Rows<'a>> for Param<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self::Rows(rows)
    }
}

/// A value with a column kind, so that its absence is typed too.
pub(crate) trait Value<'a> {
    const KIND: Kind;
    fn param(self) -> Param<'a>;
}

/// A row: a tuple of values.
pub(crate) trait RowParam<'a> {
    const KINDS: &'static [Kind];
    fn push(self, cells: &mut Vec<Param<'a>>);
}

/// The parameters of a statement, in the order of its placeholders.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::param::IntoParam::into_param($value)),*] };
}
/// The same as an array.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { [$($crate::param::IntoParam::into_param($value)),*] };
}
pub(crate) use {cells, params};

/// What `params!` takes: values and rows.
pub(crate) trait IntoParam<'a> {
    fn into_param(self) -> Param<'a>;
}
impl<'a, V: Value<'a>> IntoParam<'a> for V {
    fn into_param(self) -> Param<'a> {
        self.param()
    }
}
impl<'a> IntoParam<'a> for Param<'a> {
    fn into_param(self) -> Param<'a> {
        self
    }
}
impl<'a> IntoParam<'a> for Rows<'a> {
    fn into_param(self) -> Param<'a> {
        Param::Rows(self)
    }
}

impl<'a, V: Value<'a>> Value<'a> for Option<V> {
    const KIND: Kind = V::KIND;
    fn param(self) -> Param<'a> {
        self.map_or(Param::Null(V::KIND), Value::param)
    }
}

macro_rules! values {
    ($($kind:ident: $($type:ty => |$value:ident| $param:expr),+;)+) => {$($(
        impl<'a> Value<'a> for $type {
            const KIND: Kind = Kind::$kind;
            fn param(self) -> Param<'a> {
                let $value = self;
                $param
            }
        }
    )+)+};
}
values! {
    Blob: &'a [u8] => |v| Param::Blob(Cow::Borrowed(v)),
          &'a Sha256 => |v| Param::Blob(Cow::Borrowed(v.as_bytes())),
          Sha256 => |v| Param::Blob(Cow::Owned(v.0.to_vec())),
          Uuid => |v| Param::Id(v);
    Bool: bool => |v| Param::Bool(v);
    Int:  i64 => |v| Param::Int(v),
          u32 => |v| Param::Int(i64::from(v)),
          Timestamp => |v| Param::Int(v.as_millis());
    Text: &'a str => |v| Param::Text(Cow::Borrowed(v)),
          &'a String => |v| Param::Text(Cow::Borrowed(v)),
          String => |v| Param::Text(Cow::Owned(v)),
          Version => |v| Param::Text(Cow::Owned(v.to_string()));
}

macro_rules! ids {
    ($($id:ty),+ $(,)?) => {$(
        impl<'a> Value<'a> for $id {
            const KIND: Kind = Kind::Blob;
            fn param(self) -> Param<'a> {
                Param::Id(self.0)
            }
        }
    )+};
}
ids!(
    ApiTokenId,
    AppId,
    AuditId,
    CommandId,
    DeploymentId,
    DeviceId,
    EnrollmentTokenId,
    ExchangeId,
    GroupId,
    JobId,
    PackageId,
    SeatId,
    SessionRowId,
    TargetId,
);

macro_rules! enums {
    ($($name:ty),+ $(,)?) => {$(
        impl<'a> Value<'a> for $name {
            const KIND: Kind = Kind::Text;
            fn param(self) -> Param<'a> {
                Param::Text(Cow::Borrowed(self.as_str()))
            }
        }
    )+};
}
enums!(
    Architecture,
    access::Role,
    app::AppSource,
    app::AppState,
    app::LicenseKind,
    app::PackageRole,
    command::CommandState,
    command::Verb,
    qm_core::circuit::CircuitState,
    crate::store_status::SyncState,
    deployment::Context,
    deployment::DeploymentState,
    deployment::Intent,
    deployment::TargetState,
    device::CertificateState,
    device::DeviceState,
    device::EndReason,
    device::EnrollmentKind,
    job::JobKind,
    job::JobState,
    seat::SeatState,
);

macro_rules! tuples {
    ($(($($name:ident),+))+) => {$(
        impl<'a, $($name: Value<'a>),+> RowParam<'a> for ($($name,)+) {
            const KINDS: &'static [Kind] = &[$($name::KIND),+];
            fn push(self, cells: &mut Vec<Param<'a>>) {
                #[expect(non_snake_case, reason = "one name for a type and its value")]
                let ($($name,)+) = self;
                cells.extend([$($name.param()),+]);
            }
        }
    )+};
}
tuples! {
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
    (A, B, C, D, E, F, G, H, I)
    (A, B, C, D, E, F, G, H, I, J)
    (A, B, C, D, E, F, G, H, I, J, K)
    (A, B, C, D, E, F, G, H, I, J, K, L)
}

//! `quartermaster enrollment-tokens`

use super::{ClientError, answer::Answer, api::Api};
use clap::{Args, Subcommand};
use qm_admin_api::types::{EnrollmentTokenCreated, NewEnrollmentToken};

/// What can be done with enrollment tokens.
#[derive(Debug, Subcommand)]
pub enum EnrollmentTokens {
    /// Make a token with which a user enrolls a device; it is shown this once
    Create(Create),
}

/// A token to make.
#[derive(Debug, Args)]
pub struct Create {
    /// The user who may enroll with it
    #[arg(long)]
    upn: String,
    /// How many devices it enrolls; one where it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    max_uses: Option<i64>,
    /// How long it works; seven days where it is left out
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    expires_in_seconds: Option<u64>,
}

/// Carries out one of them. The token alone goes to stdout, so that scripts can take it from there.
pub async fn run(command: EnrollmentTokens, api: &Api) -> Result<Answer, ClientError> {
    let EnrollmentTokens::Create(Create {
        upn,
        max_uses,
        expires_in_seconds,
    }) = command;
    let wanted = NewEnrollmentToken {
        upn: upn.clone(),
        max_uses,
        expires_in_seconds,
    };
    let created = api.post(&["enrollment-tokens"], &wanted).await?;
    let answer = Answer::of(created, |created: EnrollmentTokenCreated| created.token);
    Ok(answer.note(format!(
        "This is the password of {upn} for enrolling, and it is not shown again. On the device: Settings, Accounts, \
         Access work or school, \"Enroll only in device management\"; enter {upn}, then the token."
    )))
}

//! Prepares the planned targets of an app: chooses packages, fetches what is missing, claims seats, queues.

use super::jobs::JobError;
use crate::{
    Orchestrator,
    deployments::{Verdict, verdict},
    materials::{Catalogue, profile},
};
use qm_core::{
    AppId, PackageId, TargetId, Timestamp,
    app::App,
    deployment::{Intent, Target, TargetError, TargetState},
    device::Device,
    job::JobKind,
};
use qm_db::{Conn, DbError, Tx, apps, devices, run, targets};
use qm_engine::deployment::moved;
use qm_store_sync::SyncError;
use std::collections::{BTreeSet, HashMap};

const CHUNK: u32 = 500;

impl Orchestrator {
    /// Moves every planned target as far as it can go; `false` while some still wait for content.
    pub(crate) async fn prepare_app(&self, app_id: AppId) -> Result<bool, JobError> {
        let Some(app) = apps::find(&mut self.db.read().await?, app_id).await? else {
            return Ok(true);
        };
        let wanted = self.content_wanted(&app).await?;
        // Without a Store, what is missing can only be uploaded.
        let fetched = match &self.store {
            Some(store) if !wanted.is_empty() => store.fetch_content(app_id, &wanted).await.map(|_| ()),
            _ => Ok(()),
        };
        let obstacle = fetched.as_ref().err().map(content_obstacle);
        let complete = self.move_planned(&app, obstacle.as_ref()).await?;
        fetched?;
        Ok(complete)
    }

    /// The packages that planned targets were found to need and that are not here.
    async fn content_wanted(&self, app: &App) -> Result<Vec<PackageId>, DbError> {
        let mut conn = self.db.read().await?;
        let mut catalogue = Catalogue::default();
        let mut wanted = BTreeSet::new();
        let mut after: Option<TargetId> = None;
        loop {
            let chunk = targets::planned(&mut conn, app.id, after, CHUNK).await?;
            let Some(last) = chunk.last() else {
                return Ok(wanted.into_iter().collect());
            };
            after = Some(last.id);
            let owners = devices_of(&mut conn, &chunk).await?;
            for target in chunk.iter().filter(|t| t.intent == Intent::Required) {
                let Some(device) = owners.get(&target.device_id) else {
                    continue;
                };
                if let Verdict::WaitsForContent(package) =
                    verdict(&mut conn, &mut catalogue, app, target, profile(device)).await?
                {
                    wanted.insert(package);
                }
            }
        }
    }

    async fn move_planned(&self, app: &App, obstacle: Option<&TargetError>) -> Result<bool, DbError> {
        let mut after = None;
        let mut complete = true;
        loop {
            let (last, whole) = run!(self.db, "target.prepare", |tx| self
                .move_chunk(tx, app, obstacle, after)
                .await)?;
            complete &= whole;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(complete),
            }
        }
    }

    /// Moves a chunk, or notes what keeps its content away; the last target looked at, and whether none waits for content.
    async fn move_chunk(
        &self,
        tx: &mut Tx,
        app: &App,
        obstacle: Option<&TargetError>,
        after: Option<TargetId>,
    ) -> Result<(Option<TargetId>, bool), DbError> {
        let now = self.clock.now();
        let chunk = targets::planned(tx, app.id, after, CHUNK).await?;
        let owners = devices_of(tx, &chunk).await?;
        let mut catalogue = Catalogue::default();
        let (mut complete, mut claims) = (true, Vec::new());
        let mut changes = Vec::new();
        for target in &chunk {
            let Some(device) = owners.get(&target.device_id) else {
                continue;
            };
            let verdict = verdict(tx, &mut catalogue, app, target, profile(device)).await?;
            if matches!(verdict, Verdict::WaitsForContent(_)) {
                complete = false;
                changes.extend(kept_by(target, obstacle, now));
            }
            let Some(state) = verdict.state() else { continue };
            let Some(after) = moved(target, state, now) else {
                continue;
            };
            let after = verdict.dress(after);
            if state == TargetState::AwaitingSeat {
                claims.push(after.clone());
            }
            changes.push(after);
        }
        let changes: Vec<_> = changes.into_iter().map(|t| (t, TargetState::Planned)).collect();
        self.move_targets(tx, &changes, now).await?;
        if !claims.is_empty() {
            self.claim_seats(tx, &claims, now).await?;
            self.enqueue(tx, JobKind::Seats, app.id, now).await?;
            self.wake.all();
        }
        Ok((chunk.last().map(|target| target.id), complete))
    }
}

fn content_obstacle(error: &SyncError) -> TargetError {
    TargetError {
        code: "content".to_owned(),
        text: format!("the app's packages or license cannot be fetched: {error}"),
        advice: "It is tried again by itself; retry the deployment once the cause is mended.".to_owned(),
    }
}

/// The waiting target with what it waits for, where that is news.
pub(super) fn kept_by(target: &Target, obstacle: Option<&TargetError>, now: Timestamp) -> Option<Target> {
    (obstacle.is_some() && target.error.as_ref() != obstacle).then(|| Target {
        error: obstacle.cloned(),
        updated_at: now,
        ..target.clone()
    })
}

async fn devices_of(
    conn: &mut Conn,
    chunk: &[Target],
) -> Result<HashMap<qm_core::DeviceId, Device>, DbError> {
    let ids: Vec<_> = chunk.iter().map(|target| target.device_id).collect();
    let found = devices::by_ids(conn, &ids).await?;
    Ok(found.into_iter().map(|device| (device.id, device)).collect())
}

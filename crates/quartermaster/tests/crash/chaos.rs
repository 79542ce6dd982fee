//! Kills and restarts while administrators and devices go on.

use crate::{
    administrator::Administrator,
    cues::Cue,
    judge,
    world::{World, call_in},
};
use anyhow::{Context as _, Result};
use qm_core::Rng;
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};
use tokio_util::sync::CancellationToken;

/// One database's run; what there is to tell of it.
pub async fn run(postgres: Option<String>, seed: u64, kills: u64) -> Result<String> {
    // Each actor draws from a source of its own, so that none disturbs the choices of another.
    let draw = |actor: u64| Rng::seeded(seed.wrapping_mul(1000).wrapping_add(actor));
    let world = World::make(postgres, &draw(0)).await?;
    let stop = CancellationToken::new();
    let devices: Vec<_> = world
        .devices
        .iter()
        .zip(10..)
        .map(|(device, actor)| tokio::spawn(call_in(Arc::clone(device), draw(actor), stop.clone())))
        .collect();
    let mut administrator = Administrator::new(&world, draw(1), stop.clone()).await?;
    let (killed, worked) = tokio::join!(
        async {
            let killed = kill(&world, &draw(2), kills, &stop).await;
            stop.cancel();
            killed
        },
        async {
            let worked = administrator.work().await;
            stop.cancel();
            worked
        },
    );
    for device in devices {
        device.await?;
    }
    let told = format!("{}: {}", world.installation.engine, killed?);
    let wishes = worked.with_context(|| format!("{told}\n{}", world.server.tail()))?;
    let log = world.server.log().to_owned();
    judge::calm_down_and_judge(world, administrator, &wishes)
        .await
        .with_context(|| format!("{told}; the log was {}", log.display()))?;
    Ok(told)
}

/// Kills the server as often as asked for, unless something else has failed; how often by which cue.
async fn kill(world: &World, rng: &Rng, kills: u64, stop: &CancellationToken) -> Result<String> {
    let mut came = BTreeMap::<String, u64>::new();
    for _ in 0..kills {
        if stop.is_cancelled() {
            break;
        }
        let (cues, patience) = Cue::pick(rng);
        let came_first = world.trap.spring(cues, patience).await;
        let name = came_first.map_or_else(|| "just then".to_owned(), |cue| format!("{:?}", cue.event));
        *came.entry(name).or_default() += 1;
        world.server.kill().await?;
        world
            .server
            .start()
            .await
            .with_context(|| format!("after a kill at {came_first:?}"))?;
    }
    let mut told = format!("{kills} kills");
    for (name, count) in came {
        write!(told, "\n  {count:4}  {name}")?;
    }
    Ok(told)
}

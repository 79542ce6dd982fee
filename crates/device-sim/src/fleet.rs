//! Many devices at once.

use crate::{Device, SessionReport, SimError, Trigger};
use std::{future::Future, sync::Arc};
use tokio::{sync::Semaphore, task::JoinSet};

/// Devices that act together, a bounded number at a time.
#[derive(Debug)]
pub struct Fleet {
    devices: Vec<Device>,
    concurrency: usize,
}

impl Fleet {
    /// At most `concurrency` devices talk at the same time, at least one.
    pub fn new(devices: Vec<Device>, concurrency: usize) -> Self {
        Self {
            devices,
            concurrency: concurrency.max(1),
        }
    }

    /// All devices, in the order given.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }
    /// All devices, to be changed.
    pub fn devices_mut(&mut self) -> &mut [Device] {
        &mut self.devices
    }
    /// Gives the devices back.
    pub fn into_devices(self) -> Vec<Device> {
        self.devices
    }

    /// Enrolls every device that is not enrolled; one result for each device, in order.
    pub async fn enroll(&mut self) -> Vec<Result<(), SimError>> {
        self.each(|mut device: Device| async move {
            let result = if device.is_enrolled() {
                Ok(())
            } else {
                device.enroll().await
            };
            (device, result)
        })
        .await
    }

    /// One session of every device; one result for each device, in order.
    pub async fn session(&mut self, trigger: Trigger) -> Vec<Result<SessionReport, SimError>> {
        self.each(move |mut device: Device| async move {
            let result = device.session(trigger).await;
            (device, result)
        })
        .await
    }

    async fn each<T, F, Fut>(&mut self, act: F) -> Vec<T>
    where
        T: Send + 'static,
        F: Fn(Device) -> Fut,
        Fut: Future<Output = (Device, T)> + Send + 'static,
    {
        let gate = Arc::new(Semaphore::new(self.concurrency));
        let mut tasks = JoinSet::new();
        for (index, device) in self.devices.drain(..).enumerate() {
            let (gate, acting) = (Arc::clone(&gate), act(device));
            tasks.spawn(async move {
                let _permit = gate.acquire().await.expect("the gate is never closed");
                (index, acting.await)
            });
        }
        let mut done = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok(result) => done.push(result),
                // A device's task is never cancelled; what panicked there, panics here.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        done.sort_by_key(|(index, _)| *index);
        let (devices, results) = done
            .into_iter()
            .map(|(_, (device, result))| (device, result))
            .unzip();
        self.devices = devices;
        results
    }
}

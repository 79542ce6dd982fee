//! End-to-end tests: simulated devices and a Store service against a running server, on each database.
//!
//! One file for each story. The simulators share no code with the server and judge every message; `strike` fails a
//! test for every rule they saw broken.

mod api_access;
mod api_input;
mod backup;
mod certificates;
mod commits;
mod database_outage;
mod device_input;
mod devices_at_random;
mod devices_that_misbehave;
mod floods;
mod http2;
mod leaving;
mod offline_app;
mod online_app;
mod overtaking;
mod secrets;
mod store_outage;
mod upload;
mod wbxml;

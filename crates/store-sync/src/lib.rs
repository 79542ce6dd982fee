//! Keeps catalogue, seats, licenses and packages in step with the Store.

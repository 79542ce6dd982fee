//! HTTP routes for devices: enrollment, management session, content.

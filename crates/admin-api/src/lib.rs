//! HTTP routes of /api/v1, their types and the OpenAPI document.

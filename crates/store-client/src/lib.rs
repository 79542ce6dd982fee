//! REST client of the Microsoft Store for Business management service.

//! Pure decisions: session steps, deployment steps, applicability, plans, catalogue differences.

"""The completeness ledger: what is whole, what was repaired, what is missing and why."""

"""Signed evidence: statements about a report, quorum, journal, bundle."""

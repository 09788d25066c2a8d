"""Tests, where the package has what they test."""

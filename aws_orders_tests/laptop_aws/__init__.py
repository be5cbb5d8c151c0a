"""Tests of the laptop's AWS."""

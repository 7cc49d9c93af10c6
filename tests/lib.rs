//! Whole-system tests of Silverback; see `scenarios/`.

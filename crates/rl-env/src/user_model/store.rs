//! Saving a fitted ensemble and loading it again.

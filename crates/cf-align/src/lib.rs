//! Collaborative filtering by alignment and uniformity.

//! Applying the stream of a primary.

//! The proxy between raw clients and back ends written by hand.

mod bodies;
mod connections;
mod heads;
mod interim;
mod pressure;
mod smuggling;
mod support;

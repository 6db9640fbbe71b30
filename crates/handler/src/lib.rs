//! SDK for handlers: requests by PULL, replies by PUB, twenty lines to an answer.

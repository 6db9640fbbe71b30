//! What is served: listeners, hosts, routes, targets, limits, mime types; pattern language and lookup.

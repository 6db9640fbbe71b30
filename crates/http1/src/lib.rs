//! HTTP/1.x as a sans-I/O core: request heads, body framing, response tracking, limits.

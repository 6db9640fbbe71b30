//! Tests of the store: names, room, and the files of servers that are gone.

//! ZeroMQ as typed async endpoints: handler links and the control port.

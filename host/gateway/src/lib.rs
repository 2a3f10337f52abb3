//! The HTTP edge: one request path from socket to component.

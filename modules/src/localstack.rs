//! LocalStack, AWS on this machine.

//! A HashiCorp Vault server.

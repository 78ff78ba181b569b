//! A Keycloak server.

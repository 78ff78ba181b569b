//! An OpenLDAP directory server.

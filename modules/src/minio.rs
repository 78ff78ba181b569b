//! A MinIO object store.

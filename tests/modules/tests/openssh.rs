//! An OpenSSH server, for SFTP too.

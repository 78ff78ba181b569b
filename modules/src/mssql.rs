//! A Microsoft SQL Server.

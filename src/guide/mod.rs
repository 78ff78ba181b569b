//! The guide: one page for each thing that you may want to do.
//!
//! | page | answers |
//! | --- | --- |
//! | [Containers](containers) | What can I say about a container, and what does its handle do? |
//! | [Waiting](waiting) | When is a container ready, and how do I say so? |
//! | [Networks and volumes](networks_and_volumes) | How do containers reach each other and share files? |
//! | [Files, commands, logs](files_and_exec) | How do I copy files, run commands and read logs? |
//! | [Nothing left behind](nothing_left_behind) | Who removes what, and when? How do I keep a container? |
//! | [Sharing](sharing) | How do many tests use one container? |
//! | [Databases](databases) | How does each test get a database of its own? |
//! | [Modules](modules) | Which services are ready-made, and what do they have in common? |
//! | [Images](images) | How do I build an image from a Dockerfile, or from Rust? |
//! | [Registries](registries) | How do I push an image for several platforms? |
//! | [Settings](settings) | Which environment variables are read? |
//! | [Engines](engines) | Which engines and systems are supported, and how do they differ? |
//! | [Errors](errors) | What does an error say, and what can a program match on? |
//! | [Costs](costs) | How much time and memory does castoff add? |
//! | [Migration](migration) | Which call replaces this call of testcontainers? |
//! | [Writing a module](writing_a_module) | How do I write a typed service of my own? |
//!
//! The pages exist in the documentation only: a build of the crate does not compile them. Their
//! examples are tested, as are those of the README.

#[doc = include_str!("containers.md")]
pub mod containers {}

#[doc = include_str!("waiting.md")]
pub mod waiting {}

#[doc = include_str!("networks_and_volumes.md")]
pub mod networks_and_volumes {}

#[doc = include_str!("files_and_exec.md")]
pub mod files_and_exec {}

#[doc = include_str!("nothing_left_behind.md")]
pub mod nothing_left_behind {}

#[doc = include_str!("sharing.md")]
pub mod sharing {}

#[doc = include_str!("databases.md")]
pub mod databases {}

#[doc = include_str!("modules.md")]
pub mod modules {}

#[doc = include_str!("images.md")]
pub mod images {}

#[doc = include_str!("registries.md")]
#[doc = ""]
#[cfg_attr(feature = "registry", doc = "[`castoff::registry`]: crate::registry")]
#[cfg_attr(
    not(feature = "registry"),
    doc = "[`castoff::registry`]: https://docs.rs/castoff/latest/castoff/registry"
)]
pub mod registries {}

#[doc = include_str!("settings.md")]
pub mod settings {}

#[doc = include_str!("engines.md")]
pub mod engines {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("costs.md")]
pub mod costs {}

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("writing_a_module.md")]
pub mod writing_a_module {}

//! Handles, builders and values can be sent to other threads and shared between them.

use castoff::{config, container, dockerfile, engine, image, spec, wait};

const fn shared<T: Send + Sync + 'static>() {}
const fn sent<T: Send + Unpin + 'static>() {}

macro_rules! each {
    ($check:ident: $($kind:ty),+ $(,)?) => {
        const _: () = { $($check::<$kind>();)+ };
    };
}

each!(shared:
    castoff::Container, castoff::ContainerBuilder, castoff::ContainerLock, castoff::CopySource,
    castoff::Engine, castoff::Error, castoff::ErrorKind, castoff::Image, castoff::ImageBuilder,
    castoff::Network, castoff::NetworkBuilder, castoff::Reaper, castoff::SweepReport, castoff::Volume,
    castoff::VolumeBuilder, castoff::WaitFor, config::Config, config::KeepPolicy);
each!(shared: container::Exec, container::LogLine, container::Logs);
each!(shared:
    engine::ApiVersion, engine::BuildEvent, engine::BuildStep, engine::ContainerDetails,
    engine::ContainerState, engine::ContainerSummary, engine::Containers, engine::Endpoint,
    engine::EngineKind, engine::ExecOutput, engine::Health, engine::ImageDetails,
    engine::ImageLayer, engine::ImageSummary, engine::LogFrame, engine::LogStream,
    engine::NetworkEndpoint, engine::NetworkSummary, engine::Networks, engine::PullEvent,
    engine::VolumeSummary, engine::Volumes);
each!(shared:
    image::BuildBackend, image::BuildContext, image::BuildReport, image::Images,
    image::LayerReport, image::Pull, image::StageReport, image::StepReport);
each!(shared:
    dockerfile::Add, dockerfile::Arg, dockerfile::BindMount, dockerfile::CacheMount,
    dockerfile::CacheSharing, dockerfile::Command, dockerfile::CopyFiles, dockerfile::Diagnostic,
    dockerfile::Dockerfile, dockerfile::Heredoc, dockerfile::Instruction, dockerfile::Modifier,
    dockerfile::Parsed, dockerfile::Part, dockerfile::Run, dockerfile::RunMount,
    dockerfile::RunNetwork, dockerfile::RunSecurity, dockerfile::SecretMount,
    dockerfile::Severity, dockerfile::Source, dockerfile::Span, dockerfile::SshMount,
    dockerfile::Stage, dockerfile::StageSpans, dockerfile::TmpfsMount, dockerfile::Trigger,
    dockerfile::Variable, dockerfile::Word);
each!(shared:
    spec::Attachment, spec::ContainerSpec, spec::HealthTest, spec::Healthcheck, spec::HostBinding,
    spec::ImageRef, spec::Mount, spec::MountKind, spec::NetworkMode, spec::NetworkSpec,
    spec::Platform, spec::Port, spec::Protocol, spec::PullPolicy, spec::Resources,
    spec::RestartPolicy, spec::Subnet, spec::Ulimit, spec::VolumeSpec);
each!(shared:
    wait::ExecWait, wait::ExitWait, wait::FileWait, wait::HealthWait, wait::HttpWait,
    wait::LogWait, wait::PauseWait, wait::PortWait, wait::ProbeWait, wait::WaitTarget);
#[cfg(feature = "registry")]
each!(shared:
    castoff::registry::Registry, castoff::registry::RemoteConfig, castoff::registry::RemoteImage,
    castoff::registry::RemoteLayer, castoff::registry::RemotePlatform);
// Streams are polled by one task at a time.
each!(sent:
    container::ExecStream, container::LogFrames, container::LogLines, image::BuildProgress,
    image::PullProgress);

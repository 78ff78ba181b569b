//! [`BuildReport`]: the steps, the result and the timing of a build.

use std::fmt;
use std::time::Duration;

use super::BuildBackend;
use crate::engine::ImageDetails;

/// The steps, the result and the timing of a build. `Display` shows all of it in a few lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildReport {
    /// The image's name, or the first of several.
    pub image: String,
    /// The builder; `None` for an image that was not built from a Dockerfile.
    pub backend: Option<BuildBackend>,
    /// Whether an image of the very same build existed, so that nothing was sent or built.
    pub recognized: bool,
    /// The duration of the build.
    pub took: Duration,
    /// The steps, in the order in which they began: those of the Dockerfile and the builder's own.
    pub steps: Vec<StepReport>,
    /// The stages that begin with an image or with nothing, in the Dockerfile's order.
    pub stages: Vec<StageReport>,
    /// The size of the image, in bytes.
    pub size: u64,
    /// The layers that are not empty, the biggest first.
    pub layers: Vec<LayerReport>,
    /// The builder's own warnings.
    pub warnings: Vec<String>,
    /// Changes that would make the next build faster, if this build shows any.
    pub advice: Vec<String>,
}

/// A step of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepReport {
    /// The name of the step, such as `[builder 3/5] RUN go build`.
    pub name: String,
    /// Whether its result came from the cache.
    pub cached: bool,
    /// The duration of the step.
    pub took: Duration,
}

/// A stage of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageReport {
    /// The name of the stage, or its number from 0.
    pub name: String,
    /// The image that the stage begins with, or `scratch`.
    pub base: String,
    /// The size of that image in bytes, if the engine has it.
    pub base_size: Option<u64>,
    /// The size of the stage as an image, in bytes, if
    /// [`with_stage_sizes`](super::ImageBuilder::with_stage_sizes) was set.
    pub size: Option<u64>,
}

/// A layer of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerReport {
    /// The instruction that created the layer.
    pub created_by: String,
    /// The size of the layer, in bytes.
    pub size: u64,
}

/// The base image of a stage, and the engine's details of it.
#[derive(Clone, Debug)]
pub(super) struct BaseImage {
    pub(super) stage: String,
    pub(super) image: String,
    pub(super) platform: Option<String>,
    pub(super) details: Option<ImageDetails>,
}

impl BuildReport {
    /// Returns whether the first step whose name contains `instruction` was cached; `None` if there
    /// is no such step.
    #[must_use]
    pub fn cached(&self, instruction: &str) -> Option<bool> {
        let step = self.steps.iter().find(|step| step.name.contains(instruction))?;
        Some(step.cached)
    }

    /// Returns the biggest stage, by its measured size or else by that of its base image.
    #[must_use]
    pub fn biggest_stage(&self) -> Option<&StageReport> {
        let size = |stage: &StageReport| stage.size.or(stage.base_size);
        self.stages.iter().filter(|stage| size(stage).is_some()).max_by_key(|stage| size(stage))
    }
}

impl fmt::Display for BuildReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.image, bytes(self.size))?;
        match self.backend {
            None => return Ok(()),
            Some(_) if self.recognized => write!(f, ", unchanged since it was built")?,
            Some(backend) => {
                let steps = self.steps.iter().filter(|step| step.is_instruction());
                let cached = steps.clone().filter(|step| step.cached).count();
                let (took, all) = (seconds(self.took), steps.count());
                write!(f, ", by {backend} in {took}, {cached} of {all} steps cached")?;
            }
        }
        for stage in &self.stages {
            write!(f, "\n  stage {} from {}", stage.name, stage.base)?;
            if let Some(size) = stage.base_size {
                write!(f, " ({})", bytes(size))?;
            }
            if let Some(size) = stage.size {
                write!(f, ": {}", bytes(size))?;
            }
        }
        if let Some(stage) = self.biggest_stage()
            && let Some(size) = stage.size.or(stage.base_size).filter(|size| *size > 0)
        {
            #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
            let part = self.size as f64 / size as f64 * 100.0;
            let of = if stage.size.is_some() { "stage" } else { "the base image of" };
            write!(f, "\n  {part:.1} % of {of} {}", stage.name)?;
        }
        for step in self.steps.iter().filter(|step| step.is_instruction()) {
            let took = if step.cached { "cached".to_owned() } else { seconds(step.took) };
            write!(f, "\n  {took:>8}  {}", line(&step.name))?;
        }
        for layer in self.layers.iter().take(5) {
            let made = match layer.created_by.as_str() {
                "" => "without a history".to_owned(),
                created_by => format!("of {}", line(created_by)),
            };
            write!(f, "\n  {:>8}  layer {made}", bytes(layer.size))?;
        }
        for text in self.warnings.iter().map(|text| format!("warning: {text}")) {
            write!(f, "\n  {text}")?;
        }
        for text in &self.advice {
            write!(f, "\n  advice: {text}")?;
        }
        Ok(())
    }
}

impl StepReport {
    /// Returns whether it came from the Dockerfile.
    #[must_use]
    pub fn is_instruction(&self) -> bool {
        self.name.starts_with('[') && !self.name.starts_with("[internal]")
    }
}

/// Returns the text on one line, cut after 90 characters.
pub(super) fn line(text: &str) -> String {
    const MOST: usize = 90;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Formats a size as the docker CLI does, by powers of 1000.
#[expect(clippy::cast_precision_loss, reason = "three digits for people")]
pub(super) fn bytes(size: u64) -> String {
    let mut rest = size as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if rest < 999.5 {
            return match unit {
                "B" => format!("{size} B"),
                _ if rest < 9.95 => format!("{rest:.1} {unit}"),
                _ => format!("{rest:.0} {unit}"),
            };
        }
        rest /= 1000.0;
    }
    format!("{rest:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_few_digits() {
        let shown = [0, 999, 1000, 9_949_999, 9_960_000, 980_000_000, 1_200_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "9.9 MB", "10 MB", "980 MB", "1.2 GB"]);
    }

    #[test]
    fn a_report_says_what_matters() {
        let step = |name: &str, cached| StepReport {
            name: name.to_owned(),
            cached,
            took: Duration::from_millis(1500),
        };
        let report = BuildReport {
            image: "shop:1".into(),
            backend: Some(BuildBackend::BuildKit),
            took: Duration::from_secs(2),
            steps: vec![
                step("[internal] load build context", false),
                step("[builder 1/2] FROM golang", true),
                step("[builder 2/2] RUN go\n  build", false),
            ],
            stages: vec![StageReport {
                name: "builder".into(),
                base: "golang".into(),
                base_size: Some(900_000_000),
                size: Some(980_000_000),
            }],
            size: 9_800_000,
            layers: vec![LayerReport { created_by: "COPY server".into(), size: 9_800_000 }],
            advice: vec!["copy less".into()],
            ..BuildReport::default()
        };
        let expected = "shop:1: 9.8 MB, by BuildKit in 2.0 s, 1 of 2 steps cached
  stage builder from golang (900 MB): 980 MB
  1.0 % of stage builder
    cached  [builder 1/2] FROM golang
     1.5 s  [builder 2/2] RUN go build
    9.8 MB  layer of COPY server
  advice: copy less";
        assert_eq!(report.to_string(), expected);
        assert_eq!(report.cached("FROM golang"), Some(true));
        assert_eq!(report.cached("npm"), None);
    }
}

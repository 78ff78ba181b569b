//! Values that serde writes and reads as the text of their `Display` and `FromStr`.

macro_rules! as_text {
    ($($value:ty),+ $(,)?) => { $(
        /// As text, so that it can be the key of a JSON object too.
        impl serde::Serialize for $value {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $value {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(<D::Error as serde::de::Error>::custom)
            }
        }
    )+ };
}

pub(crate) use as_text;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::engine::Endpoint;
    use crate::spec::{ImageRef, NetworkMode, Platform, Port, Protocol, PullPolicy, RestartPolicy};

    /// Reads a value, writes it, and does the same by JSON.
    fn is_text<T>(text: &str)
    where
        T: FromStr<Err = crate::Error> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
    {
        let value: T = text.parse().unwrap();
        assert_eq!(value.to_string(), text);
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
        let error = serde_json::from_str::<T>("\"/?\"").map(drop);
        assert!(text.starts_with("unix:") || error.is_err(), "{text}");
    }

    #[test]
    fn values_are_their_text_everywhere() {
        is_text::<Port>("53/udp");
        is_text::<Protocol>("sctp");
        is_text::<Platform>("linux/arm64/v8");
        is_text::<ImageRef>("docker.io/library/redis:7");
        is_text::<Endpoint>("unix:///run/docker.sock");
        for text in ["no", "always", "unless-stopped", "on-failure", "on-failure:3"] {
            is_text::<RestartPolicy>(text);
        }
        for text in ["missing", "always", "never"] {
            is_text::<PullPolicy>(text);
        }
        for text in ["host", "none", "container:db"] {
            is_text::<NetworkMode>(text);
        }
    }

    #[test]
    fn what_is_no_value_names_its_field() {
        let restart = "sometimes".parse::<RestartPolicy>().unwrap_err().to_string();
        assert!(restart.starts_with("invalid restart policy: \"sometimes\""), "{restart}");
        assert!("on-failure:x".parse::<RestartPolicy>().is_err());
        assert!("always:3".parse::<RestartPolicy>().is_err());
        let pull = "newer".parse::<PullPolicy>().unwrap_err().to_string();
        assert!(pull.starts_with("invalid pull policy: \"newer\""), "{pull}");
        let mode = "container:".parse::<NetworkMode>().unwrap_err().to_string();
        assert!(mode.starts_with("invalid network mode: \"container:\""), "{mode}");
    }
}

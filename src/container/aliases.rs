//! [`IntoAliases`]: one name, several, or none.

mod sealed {
    pub trait Sealed {}
}

/// Names under which other containers in a network find a container: `()` for none, one text, or an
/// array, slice or `Vec` of texts.
#[diagnostic::on_unimplemented(note = "use `()` for no alias, a text, or an array of texts")]
pub trait IntoAliases: sealed::Sealed {
    /// Returns the names.
    fn into_aliases(self) -> Vec<String>;
}

macro_rules! into_aliases {
    ($([$($generics:tt)*] $type:ty, $this:ident => $names:expr;)*) => {$(
        impl<$($generics)*> sealed::Sealed for $type {}
        impl<$($generics)*> IntoAliases for $type {
            fn into_aliases(self) -> Vec<String> {
                let $this = self;
                $names
            }
        }
    )*};
}

into_aliases! {
    [] (), _none => Vec::new();
    [] &str, name => vec![name.to_owned()];
    [] String, name => vec![name];
    [] &String, name => vec![name.clone()];
    [const N: usize] [&str; N], names => names.iter().map(|name| (*name).to_owned()).collect();
    [const N: usize] [String; N], names => names.into_iter().collect();
    [] &[&str], names => names.iter().map(|name| (*name).to_owned()).collect();
    [] Vec<&str>, names => names.iter().map(|name| (*name).to_owned()).collect();
    [] Vec<String>, names => names;
}

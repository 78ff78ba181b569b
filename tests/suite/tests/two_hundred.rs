//! Two hundred tests, each with a database of its own in one server for all of them.
//!
//! Run with `cargo nextest run -p castoff-suite --test two_hundred --run-ignored ignored-only`.

macro_rules! tests {
    ($($module:ident)*) => {$(
        mod $module {
            tests! { @ a b c d e f g h i j k l m n o p q r s t }
        }
    )*};
    (@ $($name:ident)*) => {$(
        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn $name() {
            castoff_suite::has_a_database(concat!(module_path!(), "::", stringify!($name))).await;
        }
    )*};
}

tests! { orders customers items stock prices carts payments returns letters reports }

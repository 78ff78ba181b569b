//! Mistakes in Dockerfiles that don't compile.

#[test]
fn mistakes_that_types_rule_out_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
}

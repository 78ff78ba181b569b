//! The forty tests: see `castoff_suite`.

macro_rules! tests {
    ($($name:ident $number:literal)*) => {$(
        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn $name() {
            castoff_suite::uses_it($number).await;
        }
    )*};
}

tests! {
    test_01 1
    test_02 2
    test_03 3
    test_04 4
    test_05 5
    test_06 6
    test_07 7
    test_08 8
    test_09 9
    test_10 10
    test_11 11
    test_12 12
    test_13 13
    test_14 14
    test_15 15
    test_16 16
    test_17 17
    test_18 18
    test_19 19
    test_20 20
    test_21 21
    test_22 22
    test_23 23
    test_24 24
    test_25 25
    test_26 26
    test_27 27
    test_28 28
    test_29 29
    test_30 30
    test_31 31
    test_32 32
    test_33 33
    test_34 34
    test_35 35
    test_36 36
    test_37 37
    test_38 38
    test_39 39
    test_40 40
}

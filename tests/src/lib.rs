//! Black-box tests of doorward; the tests themselves are in `tests/tests/`.

//! Programs with `args`: a typed spawn is allowed exactly where a slow reference says that
//! some rule takes the program and each of its arguments.
#![no_main]

use doorward_fuzz::{
    Cost, bounded,
    documents::{Document, arguments},
    reference::Decision,
};
use doorward_policy::{AbsName, Verdict};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

const COST: Cost = Cost {
    base: 128 << 10,
    each: 4 << 10,
};
const PROGRAMS: [&str; 5] = ["/bin/a", "/bin/*", "/bin/**", "/bin/b", "/bin/?"];

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), COST, || {
        let _used_up = run(&mut Unstructured::new(data));
    });
});

fn run(from: &mut Unstructured<'_>) -> Result<()> {
    let mut document = Document::default();
    for _ in 0..from.int_in_range(0..=4)? {
        document.add_program((*from.choose(&PROGRAMS)?).to_owned(), arguments(from)?);
    }
    if from.ratio(1, 4)? {
        document.add(8, from.choose(&PROGRAMS)?);
    }
    let Some((policy, rules)) = document.compiled() else {
        return Ok(());
    };
    loop {
        let program: &[u8] = from.choose(&[&b"/bin/a"[..], b"/bin/b", b"/bin", b"/bin/a/b"])?;
        let mut given = Vec::new();
        for _ in 0..from.int_in_range(0..=5)? {
            let length = from.int_in_range(0..=6)?;
            given.push(argument(from, length)?);
        }
        let borrowed: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
        let verdict = policy.decide_spawn(&AbsName::parse(program).unwrap(), &borrowed);
        let due = rules.spawn(program, &given) == Decision::Allow;
        assert_eq!(verdict.is_allow(), due, "{given:?}\n{}", document.text());
        if let Verdict::Allow(rule) = verdict {
            assert!(policy.rule(rule).unwrap().key.starts_with("exec."));
        }
        if from.is_empty() {
            return Ok(());
        }
    }
}

fn argument(from: &mut Unstructured<'_>, length: usize) -> Result<Vec<u8>> {
    const BYTES: [u8; 14] = *b"abc*?[]-\\/.\xc3\xa9\n";
    (0..length).map(|_| from.choose(&BYTES).copied()).collect()
}

//! Interpreters: python3 and bash.

use doorward_tests::{Level, Run, Tree};

use crate::fidelity::Program;

#[test]
fn python_imports_and_starts_programs() {
    let script = include_str!("../../programs/modules.py");
    Program {
        policy: "python",
        prepare: &|tree| {
            tree.file("modules.py", script);
        },
        words: &["/usr/bin/python3", "modules.py"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 3, "{}", ended.error());
        assert!(ended.text().contains("child said: 42"), "{}", ended.text());
        assert!(files.has("out/result.json"));
    });
}

#[test]
fn bash_pipelines_lose_no_status_in_200_runs() {
    let script = include_str!("../../programs/pipelines.sh");
    let prepare = |tree: &Tree| {
        tree.file("pipelines.sh", script);
        tree.file("words", "three\none\ntwo\n");
    };
    let words = ["/usr/bin/bash", "pipelines.sh"];
    Program {
        policy: "bash",
        prepare: &prepare,
        words: &words,
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, _| {
        assert_eq!(ended.code(), 7, "{}", ended.error());
        assert!(ended.text().ends_with("end\n"), "{}", ended.text());
    });
    for (level, runs) in [(Level::User, 150), (Level::UserNoNs, 50)] {
        let tree = Tree::new(level);
        prepare(&tree);
        let run = Run::new(&tree, words);
        let native = run.native();
        for round in 0..runs {
            let ended = run.under("bash");
            assert_eq!(
                (ended.code(), ended.text()),
                (7, native.text()),
                "round {round} at {level}: {}",
                ended.error()
            );
        }
    }
}

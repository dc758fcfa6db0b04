//! Calls that go well.

use doorward::worker::{Nest, Tainted};

use super::{plain, rogue, terms, zygote};

/// Input, output, result and questions, by several workers at a time.
pub(crate) fn all(front: &str) {
    let zygote = plain(front);
    let mut workers: Vec<_> = (0..4).map(|_| rogue(&zygote)).collect();
    for round in 0..50_u8 {
        for worker in &mut workers {
            let input = vec![round; 10_000 + usize::from(round)];
            let given = terms().input(&input).output_up_to(input.len());
            let answer = worker.change(given).unwrap().whatever_it_is();
            assert_eq!(answer.result, input.len() as u64);
            assert!(answer.output.iter().all(|&byte| byte == round + 1));
            assert_eq!(answer.output.len(), input.len());
        }
    }
    let answering = terms().answering(3, |one: Tainted<u32>| u64::from(one.whatever_it_is()) + 1);
    let sum = workers[0].ask(answering, 3).unwrap().whatever_it_is();
    assert_eq!(sum.result, 6);
    // Each is a process of its own, and knows but its streams, its lane and its host.
    let own: Vec<(Vec<i32>, i32)> = workers
        .iter_mut()
        .map(|worker| worker.own(terms()).unwrap().whatever_it_is().result)
        .collect();
    for (descriptors, process) in &own {
        let lane = usize::from(front != "notify");
        assert_eq!(descriptors.len(), 3 + 1 + lane, "{descriptors:?}");
        assert_eq!(own.iter().filter(|(_, other)| other == process).count(), 1);
    }
    assert_eq!(zygote.living(), 4);
}

/// What the policy names is read, by notification, and nothing else.
pub(crate) fn reads(front: &str) {
    let here = std::env::current_dir().unwrap();
    let (named, other) = (here.join("named"), here.join("other"));
    for path in [&named, &other] {
        std::fs::write(path, "content").unwrap();
    }
    let rule = format!("fs.read = [\"{}\"]\n", named.display());
    let zygote = zygote(front, &rule, Nest::default()).unwrap();
    for _ in 0..3 {
        let mut worker = rogue(&zygote);
        let mut read = |path: &std::path::Path| {
            let path = path.to_str().unwrap().to_owned();
            worker.read(terms(), path).unwrap().whatever_it_is().result
        };
        let expected = match front {
            // Its lane has it, which this worker does not ask.
            "api" => Err(libc::EACCES),
            _ => Ok(b"content".to_vec()),
        };
        assert_eq!(read(&named), expected);
        assert_eq!(read(&other), Err(libc::EACCES));
    }
}

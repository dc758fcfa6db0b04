//! The question to the policy that a denial repeats, so that `doorward explain` gives the
//! same verdict on a record. There is none where the object decided and not its name: a
//! mount, a link's target, flags, rights that would widen.

use doorward_policy::{
    AbsName, Access, Denial, Expansion, Policy, Question, Reason, Verdict, policy::Destination,
};
use doorward_protocol::Request;

use super::address;

/// The question that the policy answers with this very denial.
pub(super) fn question(
    policy: &Policy,
    request: &Request<'_>,
    object: &[u8],
    denial: Denial,
) -> Option<Question> {
    let candidates = candidates(request, object, denial);
    let answers = |question: &&Question, strict: bool| match policy.answer(question, &[]) {
        // A link is covered by a rule that lets it be read.
        Verdict::Deny(_) if denial.reason == Reason::Link => true,
        Verdict::Deny(answer) => {
            answer.reason == denial.reason && (!strict || answer.rule == denial.rule)
        }
        // The machine's own addresses are closed too, and are not known here.
        Verdict::Allow(_) => denial.reason == Reason::AddressClass,
    };
    candidates
        .iter()
        .find(|question| answers(question, true))
        .or_else(|| candidates.iter().find(|question| answers(question, false)))
        .cloned()
}

/// Its words for the command line, if they mean it exactly.
pub(super) fn words(question: &Question) -> Option<Vec<String>> {
    let (word, about) = question.words();
    let about: Vec<String> = about
        .into_iter()
        .map(String::from_utf8)
        .collect::<Result<_, _>>()
        .ok()?;
    let borrowed: Vec<&str> = about.iter().map(String::as_str).collect();
    let read = Question::parse(word, &borrowed, &Expansion::default()).ok()?;
    (read == *question).then(|| {
        let mut words = vec![word.to_owned()];
        words.extend(about);
        words
    })
}

fn candidates(request: &Request<'_>, object: &[u8], denial: Denial) -> Vec<Question> {
    if let Request::Connect { address, .. } = request {
        let asked = address::destination(address);
        let reached = AbsName::parse(object).ok().map(Destination::UnixPath);
        let named = match asked {
            Some(Destination::UnixPath(_)) | None => reached.or(asked),
            other => other,
        };
        return named.map(Question::Connect).into_iter().collect();
    }
    let Ok(name) = AbsName::parse(object) else {
        return moved(request, object);
    };
    match request {
        Request::Exec { .. } => return vec![Question::Exec(name)],
        Request::Spawn { arguments, .. } => {
            let arguments = arguments.iter().map(|one| one.to_vec()).collect();
            return vec![Question::Spawn(name, arguments)];
        }
        _ => {}
    }
    if denial.reason == Reason::Special {
        return vec![Question::Device(name)];
    }
    if denial.reason == Reason::Link {
        return vec![Question::File(name, Access::Read)];
    }
    accesses(request)
        .iter()
        .chain(&[Access::Read, Access::Stat])
        .map(|&access| match access {
            Access::Execute => Question::Exec(name.clone()),
            access => Question::File(name.clone(), access),
        })
        .collect()
}

/// A rename is recorded as `OLD -> NEW` once both are known.
fn moved(request: &Request<'_>, object: &[u8]) -> Vec<Question> {
    const ARROW: &[u8] = b" -> ";
    let (Request::Rename { .. }, Some(at)) = (
        request,
        object
            .windows(ARROW.len())
            .position(|window| window == ARROW),
    ) else {
        return Vec::new();
    };
    let (old, rest) = object.split_at(at);
    let new = rest.get(ARROW.len()..).unwrap_or_default();
    let (Ok(old), Ok(new)) = (AbsName::parse(old), AbsName::parse(new)) else {
        return Vec::new();
    };
    vec![
        Question::File(new.clone(), Access::Create),
        Question::File(new, Access::Delete),
        Question::File(old.clone(), Access::Create),
        Question::File(old, Access::Delete),
    ]
}

/// What an operation needs of its object, most likely first.
fn accesses(request: &Request<'_>) -> &'static [Access] {
    match request {
        Request::Open { flags, .. } => {
            let creates = flags & u64::from(libc::O_CREAT.unsigned_abs()) != 0;
            match (creates, flags & 3) {
                (true, 0) => &[Access::Create, Access::Read],
                (true, _) => &[Access::Create, Access::Write, Access::Read],
                (false, 0) => &[Access::Read],
                (false, _) => &[Access::Write, Access::Read],
            }
        }
        Request::Access { mode, .. } => match mode {
            0 => &[Access::Stat],
            mode if mode & 2 != 0 => &[Access::Write, Access::Read, Access::Execute],
            mode if mode & 4 != 0 => &[Access::Read, Access::Execute],
            _ => &[Access::Execute],
        },
        Request::Mkdir { .. } | Request::Symlink { .. } | Request::Link { .. } => &[Access::Create],
        Request::Rmdir { .. } | Request::Unlink { .. } | Request::Rename { .. } => {
            &[Access::Delete]
        }
        Request::Chmod { .. }
        | Request::Chown { .. }
        | Request::Utimens { .. }
        | Request::Truncate { .. }
        | Request::Lock { .. } => &[Access::Write],
        Request::Readlink { .. } | Request::Watch { .. } => &[Access::Read],
        _ => &[Access::Stat],
    }
}

//! What reads files of strangers: PDF, video and image converters.

use doorward_tests::{Level, Run, Tree};

use crate::fidelity::Program;

/// A one-page PDF with this text.
fn pdf(text: &str) -> Vec<u8> {
    let stream = format!("BT /F1 24 Tf 72 700 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!(
            "<< /Length {} >>\nstream\n{stream}\nendstream",
            stream.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", bytes.len());
        bytes.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
    }
    let start = bytes.len();
    let size = objects.len() + 1;
    bytes.extend(table.bytes());
    bytes.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes(),
    );
    bytes
}

/// Makes an input natively.
fn native(tree: &Tree, words: &[&str]) {
    let _made = Run::new(tree, words).native().succeeded();
}

#[test]
fn pdftotext_reads_a_pdf() {
    let document = pdf("Hello from a page");
    Program {
        policy: "pdftotext",
        prepare: &|tree| {
            tree.file("in.pdf", &document);
        },
        words: &["/usr/bin/pdftotext", "-layout", "in.pdf", "out.txt"],
        variables: &[],
        ignored: &|_| false,
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 0, "{}", ended.error());
        let text = &files.0[std::path::Path::new("out.txt")].content;
        assert!(String::from_utf8_lossy(text).contains("Hello from a page"));
    });
}

#[test]
fn ffmpeg_converts_a_clip() {
    Program {
        policy: "ffmpeg",
        prepare: &|tree| {
            native(
                tree,
                &[
                    "/usr/bin/ffmpeg",
                    "-nostdin",
                    "-loglevel",
                    "error",
                    "-f",
                    "lavfi",
                    "-i",
                    "testsrc=duration=1:size=160x120:rate=10",
                    "-f",
                    "lavfi",
                    "-i",
                    "sine=duration=1",
                    "-c:v",
                    "mpeg4",
                    "-c:a",
                    "mp2",
                    "-y",
                    "in.avi",
                ],
            );
        },
        words: &[
            "/usr/bin/ffmpeg",
            "-nostdin",
            "-loglevel",
            "error",
            "-i",
            "in.avi",
            "-threads",
            "1",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
            "-flags:a",
            "+bitexact",
            "-c:v",
            "mpeg2video",
            "-c:a",
            "aac",
            "out.mkv",
        ],
        variables: &[],
        ignored: &|path| path == std::path::Path::new("in.avi"),
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 0, "{}", ended.error());
        assert!(files.0[std::path::Path::new("out.mkv")].content.len() > 1000);
    });
}

#[test]
fn imagemagick_converts_png_to_jpeg() {
    Program {
        policy: "imagemagick",
        prepare: &|tree| {
            let picture = [
                "/usr/bin/convert",
                "-size",
                "64x64",
                "gradient:red-blue",
                "in.png",
            ];
            native(tree, &picture);
        },
        words: &["/usr/bin/convert", "in.png", "-resize", "32x32", "out.jpg"],
        variables: &[],
        ignored: &|path| path == std::path::Path::new("in.png"),
    }
    .compare(&Level::ALL, |ended, files| {
        assert_eq!(ended.code(), 0, "{}", ended.error());
        let picture = &files.0[std::path::Path::new("out.jpg")].content;
        assert!(picture.starts_with(&[0xff, 0xd8, 0xff]), "no JPEG");
    });
}

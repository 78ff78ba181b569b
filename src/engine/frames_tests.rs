use std::future::Future;

use futures_util::{StreamExt, stream};
use proptest::prelude::*;

use super::*;
use crate::engine::test_frame;

fn read(tty: bool, chunks: Vec<Vec<u8>>) -> Vec<Result<LogFrame>> {
    let chunks = chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)));
    let frames = Frames::new("read the log", tty, stream::iter(chunks));
    let mut frames = std::pin::pin!(frames.collect::<Vec<_>>());
    let mut context = Context::from_waker(std::task::Waker::noop());
    match frames.as_mut().poll(&mut context) {
        Poll::Ready(frames) => frames,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

fn pieces(log: &[u8], piece: usize) -> Vec<Vec<u8>> {
    log.chunks(piece).map(<[u8]>::to_vec).collect()
}

#[test]
fn frames_are_whole_however_the_log_is_cut() {
    let log = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04oops\x01\0\0\0\0\0\0\0";
    for piece in 1..=log.len() {
        let found: Vec<_> =
            read(false, pieces(log, piece)).into_iter().map(Result::unwrap).collect();
        let expected = [
            test_frame(LogStream::Stdout, b"out"),
            test_frame(LogStream::Stderr, b"oops"),
            test_frame(LogStream::Stdout, b""),
        ];
        assert_eq!(found, expected, "{piece}");
    }
}

#[test]
fn a_cut_frame_is_an_error_and_so_is_a_stream_that_is_none() {
    for cut in [&b"\x01\0\0\0\0\0\0\x03ou"[..], b"\x01\0\0"] {
        let found = read(false, pieces(cut, 4));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].as_ref().unwrap_err().kind(), ErrorKind::Protocol);
    }
    let found = read(false, vec![b"\x07\0\0\0\0\0\0\x01x".to_vec()]);
    let error = found[0].as_ref().unwrap_err();
    assert!(error.to_string().contains("stream 7"), "{error}");
}

#[test]
fn a_frame_of_four_gigabytes_is_handed_over_as_it_comes() {
    let mut chunks = vec![b"\x02\0\0\0\xff\xff\xff\xff".to_vec()];
    chunks.extend(std::iter::repeat_n(vec![7; 64 * 1024], 40));
    let found = read(false, chunks);
    let (last, frames) = found.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Protocol);
    let lengths: Vec<_> = frames.iter().map(|frame| frame.as_ref().unwrap().bytes.len()).collect();
    assert!(lengths.iter().all(|length| *length <= WHOLE), "{lengths:?}");
    assert!(lengths.iter().sum::<usize>() >= 2 * WHOLE, "{lengths:?}");
}

proptest! {
    #[test]
    fn a_terminals_bytes_come_as_they_are(
        bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), any::<u8>()], 0..200),
        piece in 1_usize..40,
    ) {
        let found = read(true, pieces(&bytes, piece));
        let found: Vec<u8> =
            found.into_iter().flat_map(|frame| frame.unwrap().bytes.to_vec()).collect();
        prop_assert_eq!(found, bytes);
    }

    #[test]
    fn what_was_written_is_what_is_read(
        written in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..12),
        piece in 1_usize..90,
        seen in 0_usize..12,
    ) {
        let mut log = Vec::new();
        let mut expected = Vec::new();
        for (error, bytes) in &written {
            log.extend([1 + u8::from(*error), 0, 0, 0, 0, 0, 0, bytes.len() as u8]);
            log.extend(bytes);
            let stream = if *error { LogStream::Stderr } else { LogStream::Stdout };
            expected.push(test_frame(stream, bytes));
        }
        let found: Vec<_> = read(false, pieces(&log, piece)).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(&found, &expected);
        // A second reading leaves out the bytes that were read, and nothing else.
        let mut noted = Seen::default();
        let (before, after) = expected.split_at(seen.min(expected.len()));
        before.iter().for_each(|frame| noted.note(frame));
        let rest: Vec<u8> =
            found.into_iter().filter_map(|f| noted.behind(f)).flat_map(|f| f.bytes).collect();
        let wanted: Vec<u8> = after.iter().flat_map(|f| f.bytes.clone()).collect();
        // The order of the streams may differ only where they were written in that order.
        prop_assert_eq!(rest, wanted);
    }
}

//! Files of controllers that do as they should, and of such that do not.

use super::*;
use std::io::Seek;
use std::os::unix::fs::FileExt;

/// A file on its way: what was sent with it, and what came.
fn over(file: &File) -> (Received, Vec<u8>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut receiver, received) = Receiver::new(Stream::Unix(theirs));
    send(&Stream::Unix(ours), b"message", file).unwrap();
    let mut bytes = Vec::new();
    receiver.read_to_end(&mut bytes).unwrap();
    (received, bytes)
}

fn filled() -> Contents {
    let mut contents = Contents::new([(0x7_1000, 10), (0x7_2100, 5000), (0x7_9ff8, 8)], 4096).unwrap();
    for (bytes, value) in contents.working().into_iter().zip(1..) {
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(value);
    }
    contents
}

#[test]
fn content_arrives_with_its_message_and_lies_in_the_file_as_in_memory() {
    let contents = filled();
    let [code, read_only, data] = contents.offsets();
    assert_eq!([code, read_only, data].map(|offset| offset % 4096), [0, 0x100, 0xff8]);
    let (received, bytes) = over(&contents.seal().unwrap());
    assert_eq!(bytes, b"message");
    let mut file = received.next(&[(code, 10), (read_only, 5000), (data, 8)]).unwrap();
    let mut all = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut all).unwrap();
    for (offset, length, value) in [(code, 10, 1), (read_only, 5000, 2), (data, 8, 3)] {
        let offset = offset as usize;
        assert_eq!(all[offset..offset + length], vec![value; length]);
        assert!(all.get(offset + length).is_none_or(|byte| *byte == 0));
    }
    // Nothing can be changed any more, and no other came.
    assert!(file.write_all(b"x").is_err() && file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
    assert!(received.next(&[(0, 0); 3]).unwrap_err().contains("without the file"));
}

/// Such a copy has the mapping, through which it could write.
#[test]
fn content_is_sealed_while_a_copy_of_the_process_lives() {
    let contents = filled();
    let [offset, ..] = contents.offsets();
    let address = contents.start.as_ptr().wrapping_add(offset as usize);
    let (mut lives, told) = io::pipe().unwrap();
    let (wait, release) = io::pipe().unwrap();
    // SAFETY: the child calls only what may be called there, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut byte = 0u8;
        // SAFETY: these are the child's descriptors and its memory.
        unsafe {
            address.write_volatile(77);
            libc::write(told.as_raw_fd(), (&raw const byte).cast(), 1);
            libc::close(release.as_raw_fd());
            libc::read(wait.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::_exit(0);
        }
    }
    lives.read_exact(&mut [0]).unwrap();
    let file = contents.seal().unwrap();
    let mut mapped = [0; 10];
    file.read_exact_at(&mut mapped, offset).unwrap();
    assert_eq!(mapped, [77, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    check(&file, &[(offset, 10), (0, 0), (0, 0)]).unwrap();
    drop(release);
    // SAFETY: the child was made above, and nobody else waits for it.
    assert_eq!(unsafe { libc::waitpid(child, ptr::null_mut(), 0) }, child);
}

#[test]
fn files_that_could_harm_who_maps_them_are_refused() {
    let refused = |file: &File, lanes: [(u64, u64); 3]| over(file).0.next(&lanes).unwrap_err();
    let plain = tempfile();
    let reason = refused(&plain, [(0, 1); 3]);
    assert!(reason.contains("none in memory") || reason.contains("sealed"), "{reason}");
    let (reader, _writer) = io::pipe().unwrap();
    let reason = refused(&File::from(OwnedFd::from(reader)), [(0, 0); 3]);
    assert!(reason.contains("none in memory"), "{reason}");
    let unsealed = in_memory().unwrap();
    unsealed.set_len(4096).unwrap();
    let reason = refused(&unsealed, [(0, 1); 3]);
    assert!(reason.contains("sealed"), "{reason}");
    let length = filled().seal().unwrap().metadata().unwrap().len();
    for lane in [(length, 1), (0, length + 1), (u64::MAX, 2)] {
        let reason = refused(&filled().seal().unwrap(), [(0, 0), (0, 0), lane]);
        assert!(reason.contains("outside of its file"), "{reason}");
    }
}

#[test]
fn sizes_that_no_file_has_are_errors() {
    for lanes in [[(0, u64::MAX); 3], [(0, 1 << 62), (0, 0), (0, 0)], [(u64::MAX, 1), (0, u64::MAX - 5000), (0, 0)]] {
        assert!(Contents::new(lanes, 4096).is_err());
    }
    let mut none = Contents::new([(0, 0); 3], 4096).unwrap();
    assert!(none.working().iter().all(|bytes| bytes.is_empty()));
}

/// A file of a folder.
fn tempfile() -> File {
    let path = std::env::temp_dir().join(format!("uruk-files-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

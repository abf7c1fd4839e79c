//! Data that go to replicas and not into a file: down a pipe, whose other end the parent reads.

use std::io;
use std::os::fd::BorrowedFd;

use super::observer::{Observer, Saved};
use super::options::SaveOptions;
use super::save::write_dataset;
use crate::keyspace::Keyspace;
use crate::rdb::Sink;
use crate::snapshot::error::{SaveError, Unsavable};

/// Writes the keyspace to a pipe.
pub fn send(
    keyspace: &mut Keyspace,
    pipe: BorrowedFd<'_>,
    options: &SaveOptions,
    observer: &mut dyn Observer,
) -> Result<Saved, SaveError> {
    let written = write_dataset(keyspace, options, &mut PipeSink(pipe), observer);
    written.map_err(|error| match error.downcast::<Unsavable>() {
        Ok(cause) => SaveError::Encode { path: "the pipe to replicas".into(), cause },
        Err(error) if error.kind() == io::ErrorKind::Interrupted => SaveError::Interrupted,
        Err(cause) => SaveError::Send(cause),
    })
}

struct PipeSink<'p>(BorrowedFd<'p>);

impl Sink for PipeSink<'_> {
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match nix::unistd::write(self.0, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

//! [`PerProcess`]: a static with a separate value in each process.

use once_cell::race::OnceBox;

use super::process::Process;

/// A separate value for each process. A forked child starts with a new one: the threads do not
/// exist there, and a lock that one of them held stays locked for ever.
///
/// The parent's value is neither read nor dropped in the child.
pub(crate) struct PerProcess<T: 'static> {
    first: OnceBox<Node<T>>,
}

/// The value of one process. The next node belongs to a child of it.
struct Node<T: 'static> {
    process: Process,
    value: T,
    next: OnceBox<Node<T>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { first: OnceBox::new() }
    }

    /// Returns the value of this process, created by the first call.
    pub(crate) fn here(&'static self) -> &'static T {
        let process = Process::current();
        let mut place = &self.first;
        loop {
            let node = place.get_or_init(|| {
                Box::new(Node { process, value: T::default(), next: OnceBox::new() })
            });
            if node.process == process {
                return &node.value;
            }
            place = &node.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn one_process_has_one_however_many_threads_come_at_once() {
        static ONE: PerProcess<AtomicU32> = PerProcess::new();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| ONE.here().fetch_add(1, Ordering::SeqCst));
            }
        });
        assert_eq!(ONE.here().load(Ordering::SeqCst), 8);
    }
}

//! [`PerProcess`]: a static that each process has for itself.

use once_cell::race::OnceBox;

use super::process::Process;

/// A value for each process. A forked child begins with a new one: threads are gone there, and a
/// lock that one of them held stays locked for ever.
///
/// What the parent's was is never looked at and never dropped.
pub(crate) struct PerProcess<T: 'static> {
    first: OnceBox<Node<T>>,
}

/// One process's. The next is that of a child of it.
struct Node<T: 'static> {
    process: Process,
    value: T,
    next: OnceBox<Node<T>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { first: OnceBox::new() }
    }

    /// The value of this process, made by the first call.
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

//! [`PerProcess`]: a static with a separate value in each process.

use once_cell::race::OnceBox;

/// A value for each process. A child that is forked without `exec` starts with a new one: its
/// parent's threads do not exist there, and a lock that one of them held would stay locked for
/// ever. It takes no lock itself.
pub(crate) struct PerProcess<T: 'static> {
    first: OnceBox<Node<T>>,
}

/// The value of one process. The next node is that of a child.
struct Node<T: 'static> {
    process: u32,
    value: T,
    next: OnceBox<Node<T>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { first: OnceBox::new() }
    }

    /// Returns the value of this process, created by the first call.
    pub(crate) fn here(&'static self) -> &'static T {
        let process = std::process::id();
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

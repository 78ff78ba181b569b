//! [`PerProcess`]: a static that each process has for itself.

use once_cell::race::OnceBox;

/// A value for each process. A child that is forked without `exec` begins with a new one: threads are
/// gone there, and a lock that one of them held stays locked for ever. It takes no lock itself.
pub(crate) struct PerProcess<T: 'static> {
    first: OnceBox<Node<T>>,
}

/// One process's. The next is that of a child of it.
struct Node<T: 'static> {
    process: u32,
    value: T,
    next: OnceBox<Node<T>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { first: OnceBox::new() }
    }

    /// The value of this process, made by the first call.
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

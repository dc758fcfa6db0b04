//! An allocator that ends the program when it is called from the trap front's handler, which
//! is known by the stack that it runs on.

use crate::{own::Own, stack, sys};

/// Every kind of call, also in a child of a fork, and in handlers that interrupt it.
pub(crate) fn all(own: &Own) {
    let (at, length) = stack::large();
    sys::allocator::poison(at, length);
    for number in 0..8 {
        own.ask_all(number);
    }
    crate::pointers::all(own);
    crate::masks::all(own);
    let child = sys::fork();
    if child == 0 {
        sys::child(|| own.ask_all(1));
    }
    assert_eq!(sys::wait(child), 0);
    // The control: the program itself allocates, and is seen to.
    let seen = sys::allocator::seen();
    assert!(seen > 0);
    println!("{seen} allocations outside");
}
